import {
  type Comparison,
  type Engine,
  type EngineStream,
  type LoadedModel,
  noTimes,
  type StageTimes,
  type Tile,
  type TilePlan,
} from '../engine/engine.js';
import type { FrameTimes, Size } from '../frame/frame.js';
import { CutDetector } from './cuts.js';
import { sameInputs, TileReuse, type TileVersions } from './reuse.js';
import { FrameRing, type RingFrame, type Window } from './ring.js';
import { planStream, urgency } from './tiles.js';

/** What an {@link Upscaler} has done so far. */
export interface UpscalerCounts {
  /** Frames encoded; no frame twice, but where an engine on the GPU learns of a cut too late. */
  framesEncoded: number;
  /** Frames that were not encoded, because their answer is that of the frame before. */
  framesRepeated: number;
  /** Frames fused and handed out. */
  framesFused: number;
  tilesComputed: number;
  /** Tiles whose pixels stayed, because none of their inputs had changed. */
  tilesReused: number;
  /** Tiles that were enlarged without the network, because their frame's time was up. */
  tilesCheap: number;
  /** Scenes that began by a cut. */
  cuts: number;
  /** Scenes that began after a gap in the source's timestamps, or a step back. */
  gaps: number;
}

/** Counts, all zero. */
export function noCounts(): UpscalerCounts {
  return {
    framesEncoded: 0,
    framesRepeated: 0,
    framesFused: 0,
    tilesComputed: 0,
    tilesReused: 0,
    tilesCheap: 0,
    cuts: 0,
    gaps: 0,
  };
}

/** The deadline inside a frame. Without one, every tile goes through the network. */
export interface Deadline {
  /** The tiles of a centre begin. */
  begin(centre: RingFrame): void;
  /**
   * Whether there is time for the network to make one more tile, or as many as the engine runs at once. Asked before each
   * of these bites, and once after the last.
   */
  next(): boolean;
  /** So many bites were left out. */
  left?(bites: number): void;
}

/** What is known of a frame that is pushed, beside its pixels. */
export interface PushedFrame {
  readonly times: FrameTimes;
  /** When it came, in milliseconds on the clock of whoever drives the pipeline. */
  readonly arrivedMs: number;
  /** Called as soon as the frame's pixels have been read; the frame is then not needed any more. */
  readonly release: () => void;
  /** Whether the caller knows that it begins a scene. */
  readonly fresh?: boolean | undefined;
  /** Frames to wait for after each centre from now on; else as before. */
  readonly lookahead?: number | undefined;
  /** Centres up to this time have left by another way: they are passed over. */
  readonly passedUs?: number | undefined;
}

/** Settings of an {@link Upscaler}. */
export interface UpscalerOptions<Out> {
  /** Source pictures, in pixels. */
  readonly size: Size;
  /** Frames to wait for after a centre, 0..3. Frames that are pushed may change it. */
  readonly lookahead: number;
  /** Largest tile in low-resolution pixels, halo included, if smaller than what the engine allows. */
  readonly maxTilePixels?: number;
  readonly deadline?: Deadline | undefined;
  /** Receives each output frame, in order, and owns it. */
  readonly emit: (frame: Out) => void;
}

/** A longer time between two frames, in microseconds of the source, and what came before is not looked at any more. */
const GAP_US = 1_000_000;

/**
 * Encodes each frame once and fuses windows of seven: the pipeline of one stream of one size.
 *
 * Calls are made one after another. It knows no clock: whoever drives it calls {@link Upscaler.flushOne} when a centre
 * has waited long enough.
 */
export class Upscaler<In, Out> {
  readonly counts: UpscalerCounts = noCounts();
  readonly #ring: FrameRing;
  readonly #reuse: TileReuse;
  readonly #cuts = new CutDetector();
  /** By slot. */
  readonly #versions: (TileVersions | undefined)[] = [];
  /** The window of the output before, and the tiles of it that the network did not make. */
  #fused: readonly (TileVersions | undefined)[] = [];
  #impure: ReadonlySet<number> = new Set();

  private constructor(
    readonly stream: EngineStream<In, Out>,
    readonly plan: TilePlan,
    readonly lanes: number,
    model: LoadedModel,
    readonly options: UpscalerOptions<Out>,
  ) {
    this.#ring = new FrameRing(model.manifest.window, options.lookahead);
    this.#reuse = new TileReuse(model.manifest, plan);
  }

  /** Plans the tiles and opens the engine's stream. */
  static async open<In, Out>(
    engine: Engine<In, Out>,
    model: LoadedModel,
    options: UpscalerOptions<Out>,
  ): Promise<Upscaler<In, Out>> {
    const { window, encode, fuse } = model.manifest;
    const { size, maxTilePixels = Number.POSITIVE_INFINITY } = options;
    const plans = planStream(
      model.manifest,
      size,
      {
        encode: Math.min(maxTilePixels, engine.maxTilePixels(encode)),
        fuse: Math.min(maxTilePixels, engine.maxTilePixels(fuse)),
      },
      engine.lanes,
    );
    const stream = await engine.open(model, { size, ...plans, slots: window });
    const upscaler = new Upscaler(stream, plans.fuse, engine.lanes, model, options);
    try {
      await upscaler.rehearse();
    } catch (thrown) {
      upscaler.dispose();
      throw thrown;
    }
    return upscaler;
  }

  /**
   * Does a frame's work on an empty ring, before the first frame: what compiles on first use has compiled, and whoever has
   * a clock learns what a frame takes. Nothing of it reaches the stream, whose first frame is encoded without one before.
   */
  async rehearse(): Promise<void> {
    await this.stream.encode(0);
    for (const bite of this.#bites(this.plan.tiles)) await this.#fuseAll(Array(this.#ring.window).fill(0), bite);
    await this.stream.settled();
    Object.assign(this.stream.times, noTimes());
  }

  /** The oldest frame that has not been handed out. */
  get waiting(): RingFrame | undefined {
    return this.#ring.waiting;
  }

  /** Milliseconds by stage since the start. */
  get times(): Readonly<StageTimes> {
    return this.stream.times;
  }

  /** Frames that have come and have not been handed out. */
  get length(): number {
    return this.#ring.length;
  }

  /**
   * Encodes a frame, then fuses every centre that is due.
   *
   * A frame that begins a scene, by a cut or after a gap, is answered as the first one of a stream, and those that follow
   * as the next: neither the encoder nor a window looks across.
   */
  async push(frame: In, { times, arrivedMs, release, fresh = false, lookahead, passedUs }: PushedFrame): Promise<void> {
    const before = this.#ring.newest;
    if (passedUs !== undefined) this.#skip(passedUs);
    if (lookahead !== undefined) this.#ring.lookahead = lookahead;
    const now = this.#ring.push(times, arrivedMs);
    const { slot } = now;
    try {
      await this.stream.pack(frame, slot);
    } finally {
      release();
    }
    const gap = before !== undefined && isGap(times.timestampUs - before.times.timestampUs);
    if (gap && !fresh) this.counts.gaps++;
    await this.#encode(now, fresh || gap ? undefined : before, this.stream.compare(slot, before?.slot ?? slot));
    if (before && this.#ring.hasBeenCentre(before)) this.stream.retire(before.slot);
    for (let window = this.#ring.due(); window; window = this.#ring.due()) await this.#fuse(window);
  }

  /** Fuses the oldest waiting centre now, copies standing in for the frames that have not come. */
  async flushOne(): Promise<void> {
    const window = this.#ring.overdue();
    if (window) await this.#fuse(window);
  }

  /** Fuses all waiting centres: the end of the stream. */
  async flush(): Promise<void> {
    while (this.#ring.waiting) await this.flushOne();
  }

  /** Releases the engine's stream. */
  dispose(): void {
    this.stream.dispose();
  }

  /** Passes over waiting centres that nobody wants any more. */
  #skip(passedUs: number): void {
    for (let centre = this.#ring.waiting; centre; centre = this.#ring.waiting) {
      if (centre.times.timestampUs > passedUs) break;
      this.#ring.skip();
      if (centre !== this.#ring.newest) this.stream.retire(centre.slot);
    }
  }

  async #fuse({ centre, frames }: Window): Promise<void> {
    const { deadline } = this.options;
    const slots = frames.map(({ slot }) => slot);
    const versions = slots.map((slot) => this.#versions[slot]);
    const [kept, wanted]: [Tile[], Tile[]] = [[], []];
    for (const tile of this.plan.tiles) {
      const same = !this.#impure.has(tile.index) && sameInputs(tile.index, versions, this.#fused);
      (same ? kept : wanted).push(tile);
    }
    const cheap = deadline ? await this.#fuseInTime(slots, wanted, centre, deadline) : [];
    if (!deadline) for (const bite of this.#bites(wanted)) await this.#fuseAll(slots, bite);
    if (cheap.length > 0) await this.stream.enlarge(centre.slot, cheap);
    this.counts.tilesReused += kept.length;
    this.counts.tilesComputed += wanted.length - cheap.length;
    this.counts.tilesCheap += cheap.length;
    this.#fused = versions;
    this.#impure = new Set(cheap.map(({ index }) => index));
    // A recurrent encoder reads the newest frame's planes once more, with the next frame.
    if (centre !== this.#ring.newest) this.stream.retire(centre.slot);
    const out = await this.stream.output(centre.times);
    this.counts.framesFused++;
    this.options.emit(out);
  }

  /** Fuses tiles, the most urgent first, until the time is up. Answers with those that are left. */
  async #fuseInTime(slots: readonly number[], tiles: Tile[], centre: RingFrame, deadline: Deadline): Promise<Tile[]> {
    const moving = this.#versions[centre.slot]?.changed;
    const order = urgency(tiles, this.plan.picture, (tile) => moving?.[tile.index] === centre.index);
    // An engine that works behind our back is waited for between tiles: only then are they bites, and is the time known.
    const bites = this.#bites(order);
    const several = bites.length > 1;
    if (several) await this.stream.settled();
    deadline.begin(centre);
    let done = 0;
    while (deadline.next() && done < bites.length) {
      await this.#fuseAll(slots, bites[done] as readonly Tile[]);
      done++;
      if (several) await this.stream.settled();
    }
    if (done < bites.length) deadline.left?.(bites.length - done);
    return bites.slice(done).flat();
  }

  /** Tiles by as many as the engine runs at once. */
  #bites(tiles: readonly Tile[]): (readonly Tile[])[] {
    const bites: (readonly Tile[])[] = [];
    for (let i = 0; i < tiles.length; i += this.lanes) bites.push(tiles.slice(i, i + this.lanes));
    return bites;
  }

  async #fuseAll(slots: readonly number[], tiles: readonly Tile[]): Promise<void> {
    await Promise.all(tiles.map((tile) => this.stream.fuse(slots, tile)));
  }

  /**
   * Finds what a frame has in common with the one before, and encodes it, unless the answer is the same.
   * @param before the frame before, unless this one is known to begin a scene
   * @param looking on its way where planes are on a GPU
   */
  async #encode(
    { slot, index }: RingFrame,
    before: RingFrame | undefined,
    looking: Comparison | Promise<Comparison>,
  ): Promise<void> {
    const last = before && this.#versions[before.slot];
    // The GPU encodes while its comparison is on the way; only where that finds a cut was it in vain.
    const ahead = looking instanceof Promise && !(last && this.#reuse.settled(last, index));
    if (ahead) {
      // It is awaited below; until then a failure must not count as unhandled.
      looking.catch(() => undefined);
      await this.#encodeAfter(slot, before);
    }
    const { changed, thumbnail } = await looking;
    const cut = this.#cuts.next(thumbnail) && before !== undefined;
    if (cut) this.counts.cuts++;
    const past = cut ? undefined : before;
    if (!past) this.#ring.cut();
    const versions = past && last ? this.#reuse.next(last, index, changed) : this.#reuse.first(index);
    this.#versions[slot] = versions;
    if (past && !ahead && versions.shown.every((version) => version < index)) {
      await this.stream.repeat(slot, past.slot);
      this.counts.framesRepeated++;
    } else if (!ahead || cut) {
      await this.#encodeAfter(slot, past);
    }
  }

  async #encodeAfter(slot: number, before: RingFrame | undefined): Promise<void> {
    await this.stream.encode(slot, before?.slot);
    this.counts.framesEncoded++;
  }
}

/** Whether this long from one frame to the next, in microseconds, is no frame rate. */
function isGap(us: number): boolean {
  return us > GAP_US || us <= 0;
}
