import type { Backend } from '../engine/engine.js';
import type { Store } from '../model/cache.js';
import type { Backends, Choice, Verified, Waiting } from './backends.js';
import type { StreamSettings } from './protocol.js';

/** What a machine's probes of one model have come to. */
export interface Figures {
  /** Milliseconds a frame, of our own kernels. */
  readonly native: number;
  /** The same of ONNX Runtime; `null`: it has not come to an answer. */
  readonly ort: number | null;
  /** How often it was tried. */
  readonly tries: number;
}

const NATIVE: Backend = 'webgpu-native';
const ORT: Backend = 'webgpu';
/** ONNX Runtime is a large download: it has to be faster by more than a probe may be wrong. */
const CLEARLY = 0.9;
/** One that ends the worker, or whose page was left just then, gets one more try. */
const MOST_TRIES = 2;
const MOST_BYTES = 256;

/** What a {@link FasterChoice} has to know of its machine. */
export interface Contest<F> {
  readonly store: Store;
  /** A name for this machine with these settings' model; nothing where the two are not to be compared. */
  name(settings: StreamSettings): Promise<string | undefined>;
  /** Whether ONNX Runtime starts without a download. */
  atHand(): Promise<boolean>;
  /** Milliseconds a frame. */
  probe(verified: Verified<F>): Promise<number>;
}

/**
 * Backends of which, where the choice is ours, the faster one on WebGPU is taken: our own kernels or ONNX Runtime.
 *
 * Our kernels are there at once and serve where nothing is known. ONNX Runtime is never downloaded only to be compared:
 * both are probed, once for a machine and model, when a stream begins and its files are here already. What came out is kept,
 * and the next stream begins with the faster one. Where nothing can be kept nothing is compared.
 */
export class FasterChoice<F> implements Choice<F> {
  readonly #contests = new Map<string, Promise<Figures | undefined>>();

  constructor(
    readonly backends: Backends<F>,
    readonly contest: Contest<F>,
  ) {}

  check(verified: Verified<F>): Promise<void> {
    return this.backends.check(verified);
  }

  async choose(settings: StreamSettings, waiting: Waiting = {}): Promise<Verified<F>> {
    if (settings.backend !== 'auto') return this.backends.choose(settings, waiting);
    const name = await this.contest.name(settings).catch(() => undefined);
    const known = name === undefined ? undefined : await this.#read(name);
    const chosen = await this.backends.choose(settings, waiting, orderBy(known));
    if (name === undefined || chosen.engine.backend !== (known && ortIsFaster(known) ? ORT : NATIVE)) return chosen;
    if (known && (known.ort !== null || known.tries >= MOST_TRIES)) return { ...chosen, why: reason(known) };
    const figures = await this.#compare(name, settings, chosen, known?.tries ?? 0);
    const why = reason(figures);
    if (!figures || !ortIsFaster(figures)) return { ...chosen, why };
    const faster = await this.backends.choose(settings, waiting, orderBy(figures));
    return faster.engine.backend === ORT ? { ...faster, why } : faster;
  }

  /** Probes both, once however many streams ask. */
  #compare(name: string, settings: StreamSettings, native: Verified<F>, tries: number): Promise<Figures | undefined> {
    const running = this.#contests.get(name) ?? this.#probe(name, settings, native, tries).catch(() => undefined);
    this.#contests.set(name, running);
    return running;
  }

  async #probe(
    name: string,
    settings: StreamSettings,
    verified: Verified<F>,
    tries: number,
  ): Promise<Figures | undefined> {
    if (!(await this.contest.atHand())) return undefined;
    const native = await this.contest.probe(verified);
    const tried: Figures = { native, ort: null, tries: tries + 1 };
    // Before the try: it may be the end of this worker.
    await this.#keep(name, tried);
    try {
      const ort = await this.contest.probe(await this.backends.choose(settings, {}, [ORT]));
      const figures = { ...tried, ort };
      await this.#keep(name, figures);
      return figures;
    } catch {
      return tried;
    }
  }

  async #read(name: string): Promise<Figures | undefined> {
    try {
      const kept = await this.contest.store.get(name, MOST_BYTES);
      return kept && parseFigures(new TextDecoder().decode(kept));
    } catch {
      return undefined;
    }
  }

  #keep(name: string, figures: Figures): Promise<void> {
    return this.contest.store.put(name, new TextEncoder().encode(JSON.stringify(figures)));
  }
}

/** Figures as they were kept; nothing where they are none. */
export function parseFigures(text: string): Figures | undefined {
  try {
    const { native, ort, tries } = JSON.parse(text) as Partial<Figures>;
    const isTime = (value: unknown): value is number => Number.isFinite(value) && (value as number) > 0;
    if (!isTime(native) || !(ort === null || isTime(ort)) || !Number.isInteger(tries)) return undefined;
    return { native, ort, tries: tries as number };
  } catch {
    return undefined;
  }
}

function ortIsFaster({ native, ort }: Figures): boolean {
  return ort !== null && ort < CLEARLY * native;
}

function orderBy(figures: Figures | undefined): readonly Backend[] {
  return figures && ortIsFaster(figures) ? [ORT, NATIVE, 'wasm'] : [NATIVE, ORT, 'wasm'];
}

/** Why the faster one is taken, for a person. */
function reason(figures: Figures | undefined): string {
  if (!figures) return 'not compared with ONNX Runtime, which is not loaded here';
  const { native, ort } = figures;
  if (ort === null) return 'ONNX Runtime failed in a probe here';
  if (ortIsFaster(figures)) return `${times(native / ort)} as fast as our kernels here`;
  return native < CLEARLY * ort
    ? `${times(ort / native)} as fast as ONNX Runtime here`
    : 'as fast as ONNX Runtime here';
}

function times(ratio: number): string {
  return `${ratio.toFixed(1)} times`;
}
