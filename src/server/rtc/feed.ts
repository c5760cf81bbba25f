import { OutputTrack } from '../rtp/output-track.js';
import type { RtpPacketLike } from '../rtp/packet.js';
import type { RtcVideoCodec } from './formats.js';
import { chooseLayer, fits, type Layer, type LayerBounds } from './layers.js';
import { startsKeyframe } from './picture-start.js';

/** A packet of a {@link Feed}. */
export interface FeedPacket extends RtpPacketLike {
  /** When what it shows was captured, in milliseconds since 1970; `undefined` where that is not known. */
  readonly captureMs: number | undefined;
  /** Whether decoding can begin with it. */
  readonly startsKeyframe: boolean;
}

/** What a {@link Feed} is made of. */
export interface FeedSettings {
  readonly codec: RtcVideoCodec;
  send(packet: FeedPacket, nowMs: number): void;
  /** A keyframe of a layer of the publisher is needed. */
  keyframeWanted(layer: number): void;
}

/** A smaller layer is left for a larger one only when that has come for so long. */
const STEADY_MS = 1000;

/**
 * One continuous stream of packets made of what publishers send who follow one another, and of the layers of their
 * simulcasts. Whoever takes packets from here sees one sender that never starts anew.
 */
export class Feed {
  readonly #settings: FeedSettings;
  readonly #track: OutputTrack;
  #publisher = '';
  #layer = -1;
  #better = { layer: -1, sinceMs: 0 };
  #captureMs: number | undefined;
  #nowMs = 0;

  constructor(settings: FeedSettings) {
    this.#settings = settings;
    const { codec } = settings;
    this.#track = new OutputTrack({
      codec,
      send: (packet) => {
        const begins = startsKeyframe(codec, packet.payload);
        settings.send({ ...packet, captureMs: this.#captureMs, startsKeyframe: begins }, this.#nowMs);
      },
      onKeyframeWanted: () => settings.keyframeWanted(this.#layer),
    });
  }

  /** The layer that is taken, or about to be; -1 before there is one. */
  get layer(): number {
    return this.#layer;
  }

  /** Whether another layer, or publisher, has yet to begin with a keyframe. */
  get waiting(): boolean {
    return this.#track.waiting;
  }

  /** Whether a layer's packets are used. */
  uses(layer: number): boolean {
    return layer === this.#layer || this.#track.current?.id === this.#id(layer);
  }

  /** Follows a publisher from now on. `id` is unique. */
  follow(id: string): void {
    this.#publisher = id;
    this.#layer = -1;
  }

  /** Takes the best layer; called some times a second. */
  choose(layers: readonly Layer[], bounds: LayerBounds, nowMs: number): void {
    const best = chooseLayer(layers, bounds, this.#layer);
    if (best !== this.#better.layer) this.#better = { layer: best, sinceMs: nowMs };
    if (best < 0 || best === this.#layer) return;
    // A layer that has stopped, or grown too large, is left at once.
    const current = layers[this.#layer];
    const unusable = !current?.active || (current.size && !fits(current.size, bounds));
    if (!unusable && nowMs - this.#better.sinceMs < STEADY_MS) return;
    this.#layer = best;
    const id = this.#id(best);
    this.#track.select({ id, timeBase: id });
  }

  /** Takes a packet of the publisher that is followed. */
  push(layer: number, packet: RtpPacketLike, captureMs: number | undefined, nowMs: number): void {
    this.#captureMs = captureMs;
    this.#nowMs = nowMs;
    this.#track.forward(this.#id(layer), packet, nowMs);
  }

  /** A keyframe is needed by somebody. */
  requestKeyframe(): void {
    if (this.#layer >= 0) this.#settings.keyframeWanted(this.#layer);
  }

  #id(layer: number): string {
    return `${this.#publisher}/${layer}`;
  }
}
