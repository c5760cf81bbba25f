import { type Backend, noTimes } from '../engine/engine.js';
import { reasonOf, UpscaleError } from '../frame/errors.js';
import type { LoadProgress } from '../model/loader.js';
import { smallerModel } from '../model/registry.js';
import type { Variant } from '../pipeline/levels.js';
import { sumOf } from '../pipeline/session.js';
import { computedOverKept } from '../pipeline/tiles.js';
import { noCounts } from '../pipeline/upscaler.js';
import { type Choice, describe, type Verified } from './backends.js';
import { EngineLane } from './engine-lane.js';
import type { EngineReport, FromEngine, Platform, StreamSettings, ToEngine } from './protocol.js';
import type { MessageScope } from './scope.js';

/** Progress of a model is told this often. */
const PROGRESS_EVERY_MS = 200;
/** Engines in use are asked their golden tiles this often, but for no more than this share of the time. */
const CHECK = { everyMs: 1_000, share: 0.01 } as const;

/**
 * Runs the `engine` worker: answers the calls of the `io` worker for all streams of a page.
 * It owns the GPU device and ONNX Runtime; it knows no tracks.
 * @param start makes the backends; `lost` is to be called when one of them is gone
 */
export function hostEngine<P extends Platform>(
  scope: MessageScope,
  start: (assets: P['assets'], lost: (backend: Backend, reason: string) => void) => Choice<P['frame']>,
): void {
  const streams = new Map<number, EngineStreamHost<P>>();
  let backends: Choice<P['frame']> | undefined;
  let checkMs = Number.POSITIVE_INFINITY;
  const post = (message: FromEngine<P>, transfer: Transferable[] = []): void => scope.postMessage(message, transfer);

  const lose = (backend: Backend, error: UpscaleError): void => {
    for (const stream of streams.values()) stream.lose(backend, error);
  };

  /** Whatever goes wrong in a machine, wrong numbers look like a picture: they have to be looked for. */
  const check = async (): Promise<void> => {
    const start = performance.now();
    const inUse: Verified<P['frame']>[] = [];
    for (const one of [...streams.values()].flatMap(({ verified }) => verified)) {
      if (!inUse.some(({ engine, model }) => engine === one.engine && model === one.model)) inUse.push(one);
    }
    for (const verified of inUse) {
      try {
        await backends?.check(verified);
      } catch (thrown) {
        if (thrown instanceof UpscaleError && thrown.code === 'backend-wrong') lose(verified.engine.backend, thrown);
      }
    }
    // Behind frames a check waits, which is no work: the quickest one tells what it takes.
    if (inUse.length > 0) checkMs = Math.min(checkMs, performance.now() - start);
    setTimeout(check, Math.max(CHECK.everyMs, Number.isFinite(checkMs) ? checkMs / CHECK.share : 0));
  };
  setTimeout(check, CHECK.everyMs);

  scope.addEventListener('message', ({ data }: MessageEvent<ToEngine<P>>) => {
    if (data.type === 'start') {
      backends = start(data.assets, (backend, reason) =>
        lose(backend, new UpscaleError('backend-unavailable', reason)),
      );
    } else if (data.type === 'open' && backends) {
      streams.set(data.id, new EngineStreamHost<P>(data.id, data.settings, backends, post));
    } else if (data.type === 'ping') {
      post({ type: 'pong' });
    } else if (data.type === 'reset') {
      streams.get(data.id)?.reset(data.variant);
    } else if (data.type === 'close') {
      streams.get(data.id)?.close();
      streams.delete(data.id);
    } else if ('call' in data) {
      const stream = streams.get(data.id);
      if (stream) stream.call(data);
      else {
        if (data.type === 'frame') data.frame.close();
        post({ type: 'done', id: data.id, call: data.call, report: null });
      }
    }
  });
}

type Call<P extends Platform> = Extract<ToEngine<P>, { call: number }>;

/** One stream: the network that was asked for, and the smaller one where there is one. */
class EngineStreamHost<P extends Platform> {
  readonly #lanes = new Map<Variant, EngineLane<P['frame']>>();
  /** Whose frames come out. */
  #active: Variant = 'own';
  /** What sessions that are over have done. */
  readonly #past = { counts: noCounts(), times: noTimes() };
  #toldMs = Number.NEGATIVE_INFINITY;

  constructor(
    readonly id: number,
    readonly settings: StreamSettings,
    readonly backends: Choice<P['frame']>,
    readonly post: (message: FromEngine<P>, transfer?: Transferable[]) => void,
  ) {
    void this.preload('own');
  }

  /** The engines and models in use. */
  get verified(): Verified<P['frame']>[] {
    return [...this.#lanes.values()].flatMap(({ verified }) => (verified ? [verified] : []));
  }

  call(message: Call<P>): void {
    const variant = message.type === 'flush' ? this.#active : message.variant;
    this.#run(message).then(
      () => this.post({ type: 'done', id: this.id, call: message.call, report: this.#report(variant) }),
      (thrown) => this.#failed(thrown, message.call),
    );
  }

  async preload(variant: Variant): Promise<void> {
    // Which the smaller network is depends on where the other one runs.
    if (variant === 'small') await this.#lane('own').preload();
    await this.#lane(variant).preload();
  }

  /** A backend is gone: this stream fails if it ran there, and the next call chooses anew. */
  lose(backend: Backend, error: UpscaleError): void {
    const lost = [...this.#lanes.values()].filter(({ verified }) => !verified || verified.engine.backend === backend);
    if (lost.length === 0) return;
    for (const lane of lost) {
      this.#keepCounts(lane);
      lane.forget();
    }
    this.#failed(error, null);
  }

  /** Forgets a network's window, or those of both. */
  reset(variant: Variant | null): void {
    for (const [name, lane] of this.#lanes) {
      if (variant !== null && name !== variant) continue;
      this.#keepCounts(lane);
      lane.reset();
    }
  }

  close(): void {
    for (const lane of this.#lanes.values()) lane.close();
  }

  async #run(message: Call<P>): Promise<void> {
    if (message.type === 'flush') return this.#lanes.get(this.#active)?.session.flush();
    if (message.type === 'preload') return this.preload(message.variant);
    if (message.type === 'prepare') {
      if (message.variant === 'small') await this.preload('small');
      return this.#lane(message.variant).session.prepare(message.size);
    }
    const { frame, size, arrivedMs, call, fresh, variant, lookahead, passedUs } = message;
    let open = true;
    const release = (): void => {
      if (!open) return;
      open = false;
      frame.close();
      this.post({ type: 'taken', id: this.id, call });
    };
    try {
      if (variant !== this.#active) await this.#change(variant);
    } catch (thrown) {
      release();
      throw thrown;
    }
    return this.#lane(variant).push({
      frame,
      size,
      fresh,
      lookahead,
      ...(passedUs === null ? {} : { passedUs }),
      times: { timestampUs: frame.timestamp, ...(frame.duration === null ? {} : { durationUs: frame.duration }) },
      arrivedMs: arrivedMs - performance.timeOrigin,
      release,
    });
  }

  /** Hands over from one network to the other: what waits leaves first. */
  async #change(to: Variant): Promise<void> {
    const from = this.#active;
    this.#active = to;
    const lane = this.#lanes.get(from);
    try {
      await lane?.session.flush();
    } finally {
      this.reset(from);
    }
  }

  #lane(variant: Variant): EngineLane<P['frame']> {
    let lane = this.#lanes.get(variant);
    if (!lane) {
      const smaller = smallerModel(this.settings.model, this.verified[0]?.engine.backend, this.settings.scale);
      const settings = variant === 'small' && smaller ? { ...this.settings, model: smaller.name } : this.settings;
      lane = new EngineLane(settings, this.backends, {
        frame: (frame) => this.post({ type: 'frame', id: this.id, frame }, [frame as unknown as Transferable]),
        fallback: (from, to, reason) => this.post({ type: 'fallback', id: this.id, from, to, reason }),
        progress: (progress) => this.#tellProgress(progress),
        failed: (thrown) => this.#failed(thrown, null),
      });
      this.#lanes.set(variant, lane);
    }
    return lane;
  }

  #tellProgress(progress: LoadProgress): void {
    const now = performance.now();
    if (progress.loaded < progress.total && now - this.#toldMs < PROGRESS_EVERY_MS) return;
    this.#toldMs = now;
    this.post({ type: 'loading', id: this.id, progress });
  }

  #report(variant: Variant): EngineReport | null {
    const lane = this.#lanes.get(variant);
    const upscaler = lane?.session.upscaler;
    if (!lane?.verified || !upscaler) return null;
    const { engine, model } = lane.verified;
    const sessions = [...this.#lanes.values()].map(({ session }) => session);
    return {
      backend: engine.backend,
      description: describe(lane.verified),
      model: model.manifest.name,
      computedOverKept: computedOverKept(upscaler.plan),
      rehearsedMs: lane.session.rehearsedMs,
      leftOutMs: lane.session.leftOutMs,
      waiting: sessions.reduce((sum, session) => sum + (session.upscaler?.length ?? 0), 0),
      bytes: [...this.#lanes.values()].reduce((sum, { stream }) => sum + (stream?.bytes ?? 0), 0),
      timed: upscaler.stream.timed,
      counts: sessions.reduce((sum, { counts }) => sumOf(sum, counts), this.#past.counts),
      times: sessions.reduce((sum, { times }) => sumOf(sum, times), this.#past.times),
    };
  }

  /** A session ends with its counts; the stream's go on. */
  #keepCounts({ session }: EngineLane<P['frame']>): void {
    this.#past.counts = sumOf(this.#past.counts, session.counts);
    this.#past.times = sumOf(this.#past.times, session.times);
  }

  #failed(thrown: unknown, call: number | null): void {
    const code = thrown instanceof UpscaleError ? thrown.code : 'engine-failed';
    const recoverable = thrown instanceof UpscaleError ? thrown.recoverable : true;
    this.post({ type: 'failed', id: this.id, call, code, reason: reasonOf(thrown), recoverable });
  }
}
