/** Longest delay, in seconds. */
export const MOST_DELAY_S = 2;

/** Cross-fade of a splice. Within it a lag that is off by half a sample bends a tone by less than 2 cents. */
const FADE_S = 0.015;
/** A splice moves the delay by this much, so that no syllable is lost or heard twice. Jumps within silence are free. */
const STEP_S = { least: 0.002, most: 0.03 } as const;
/** From the end of one splice to the next: a second moves the delay by about 300 ms at most. */
const PAUSE_S = 0.05;
/** Where nothing fits, one looks again this much later. */
const RETRY_S = 0.015;
/** The delay is not moved while it is this near to its target. */
const DEAD_BAND_S = 0.005;
/** Nearer than this, only a splice that nobody can hear is worth it; farther, ever worse ones are taken as time passes. */
const NEAR_S = 0.01;
/**
 * Correlation of the two sides of a splice: what is asked for at first, and how much less for each second of waiting and
 * second of distance. Voices and tones have a place that fits at any time; noise has none, and nobody hears a splice in it.
 */
const FIT = { inaudible: 0.995, lenience: 150 } as const;
/** Samples below this are silence: -60 dB of full scale. */
const SILENCE = 0.001;
/** The loudest sample is kept for each block of this many. */
const BLOCK = 128;
/** Lags and samples that the first, coarse search looks at. */
const COARSE = { lag: 2, sample: 4 } as const;
/** Lags that fit this much worse than the best are as good, if they lead nearer to the target. */
const AS_GOOD = 0.001;

/**
 * A delay line whose delay moves to a target without clicks, gaps or a change of pitch: by splices, in the manner of
 * WSOLA and of the jitter buffers of telephony. A splice cross-fades from one place of what was heard to another where
 * the waveform goes on most alike.
 *
 * Knows samples only: no clock, no audio node. {@link process} allocates nothing.
 */
export class DelayLine {
  readonly #rings: readonly Float32Array[];
  readonly #mask: number;
  /** Loudest sample of each block of the ring. */
  readonly #peaks: Float32Array;
  readonly #fadeIn: Float32Array;
  /** Correlations by lag: room for the coarse search. */
  readonly #scores: Float32Array;
  readonly #most: number;
  /** Samples written so far. */
  #written = 0;
  #delay = 0;
  #target = 0;
  /** The delay that is left in the splice under way, and how far that is. */
  #left = 0;
  #faded: number;
  /** Correlation of the two sides of the splice under way. */
  #likeness = 1;
  /** Samples until the next splice may begin. */
  #pause = 0;
  /** Samples since a splice has been wanted and no lag has fitted. */
  #waited = 0;

  /**
   * @param sampleRate in Hz
   * @param channels all of them are spliced at the same places
   * @param most longest delay, in seconds
   */
  constructor(
    readonly sampleRate: number,
    channels: number,
    most: number = MOST_DELAY_S,
  ) {
    const fade = this.#samples(FADE_S);
    this.#scores = new Float32Array(Math.ceil(this.#samples(STEP_S.most) / COARSE.lag));
    this.#most = this.#samples(most);
    let length = BLOCK;
    while (length < this.#most + 4 * fade + this.#samples(STEP_S.most)) length *= 2;
    this.#mask = length - 1;
    this.#rings = Array.from({ length: channels }, () => new Float32Array(length));
    this.#peaks = new Float32Array(length / BLOCK);
    this.#fadeIn = Float32Array.from({ length: fade }, (_, i) => 0.5 - 0.5 * Math.cos((Math.PI * (i + 0.5)) / fade));
    this.#faded = fade;
  }

  /** How many samples what comes out is behind what goes in. During a splice, what it will be. */
  get delay(): number {
    return this.#delay;
  }

  /** Where the delay goes from now on, in samples. */
  aim(target: number): void {
    this.#target = Math.max(0, Math.min(this.#most, Math.round(target)));
  }

  /**
   * Takes a block and gives one of the same length.
   * @param input a block per channel; none is silence, and a channel that is missing is as the first
   * @param output filled, a block per channel
   */
  process(input: readonly Float32Array[], output: readonly Float32Array[]): void {
    const length = output[0]?.length ?? input[0]?.length ?? 0;
    this.#write(input, length);
    const start = this.#written - length;
    if (this.#pause > 0) this.#pause -= length;
    else if (this.#faded === this.#fadeIn.length) this.#plan(start);
    this.#read(start, output, length);
  }

  #write(input: readonly Float32Array[], length: number): void {
    for (let i = 0; i < length; i++) {
      const at = this.#written++ & this.#mask;
      const block = Math.floor(at / BLOCK);
      let peak = at % BLOCK === 0 ? 0 : (this.#peaks[block] as number);
      for (let c = 0; c < this.#rings.length; c++) {
        const sample = (input[c] ?? input[0])?.[i] ?? 0;
        (this.#rings[c] as Float32Array)[at] = sample;
        const size = Math.abs(sample);
        if (size > peak) peak = size;
      }
      this.#peaks[block] = peak;
    }
  }

  #read(start: number, output: readonly Float32Array[], length: number): void {
    const fade = this.#fadeIn.length;
    const fading = Math.min(length, fade - this.#faded);
    for (let c = 0; c < output.length; c++) {
      const out = output[c] as Float32Array;
      const ring = (this.#rings[c] ?? this.#rings[0]) as Float32Array;
      for (let i = 0; i < length; i++) out[i] = ring[(start + i - this.#delay) & this.#mask] as number;
      for (let i = 0; i < fading; i++) {
        const rise = this.#fadeIn[this.#faded + i] as number;
        const fall = 1 - rise;
        // Sounds that are unlike add up by their powers: without this, noise would be fainter during the splice.
        const gain = 1 / Math.sqrt(rise * rise + fall * fall + 2 * this.#likeness * rise * fall);
        const old = ring[(start + i - this.#left) & this.#mask] as number;
        out[i] = gain * (rise * (out[i] as number) + fall * old);
      }
    }
    this.#faded += fading;
  }

  /** Begins a splice, if one is due and there is a place for it. */
  #plan(start: number): void {
    const error = this.#target - this.#delay;
    const distance = Math.abs(error);
    const sign = Math.sign(error);
    if (distance <= this.#samples(DEAD_BAND_S)) {
      this.#waited = 0;
      return;
    }
    const quiet = this.#silence(start - this.#delay, sign, distance);
    if (quiet > 0) {
      this.#splice(sign * quiet, 1);
      return;
    }
    // A little past the target is as good as a little short of it.
    const farthest = Math.min(distance + this.#samples(DEAD_BAND_S), this.#samples(STEP_S.most));
    const room = sign > 0 ? this.#most - this.#delay : this.#delay;
    const lag = this.#bestLag(start, sign, distance, Math.min(farthest, room));
    const likeness = lag > 0 ? this.#correlation(start, sign * lag, 1) : -1;
    const lenience =
      distance > this.#samples(NEAR_S) ? (FIT.lenience * this.#waited * distance) / this.sampleRate ** 2 : 0;
    if (lag > 0 && likeness >= FIT.inaudible - lenience) this.#splice(sign * lag, likeness);
    else {
      this.#pause = this.#samples(RETRY_S);
      this.#waited += this.#pause;
    }
  }

  #splice(move: number, likeness: number): void {
    this.#left = this.#delay;
    this.#delay += move;
    this.#likeness = Math.max(0, likeness);
    this.#faded = 0;
    this.#waited = 0;
    this.#pause = this.#fadeIn.length + this.#samples(PAUSE_S);
  }

  /**
   * How many samples can be left out from here on, or heard again up to here, without anything but silence being lost or
   * repeated: `distance` at most, and none where the cross-fade would not be silent too.
   */
  #silence(here: number, sign: number, distance: number): number {
    const fade = this.#fadeIn.length;
    const ahead = this.#quiet(here, sign > 0 ? fade : distance + fade);
    // What is not here yet is not known to be loud.
    const all = here + ahead === this.#written;
    if (sign < 0) return Math.max(0, Math.min(distance, all ? ahead : ahead - fade));
    if (ahead < fade && !all) return 0;
    let behind = 0;
    let block = Math.floor(here / BLOCK) - 1;
    while (behind < distance && this.#peak(block) < SILENCE) {
      behind += BLOCK;
      block--;
    }
    return behind < Math.min(distance, fade) ? 0 : Math.min(behind, distance);
  }

  /** How many samples from here on are silent, `most` at most and as far as they are here. */
  #quiet(here: number, most: number): number {
    const end = Math.min(here + most, this.#written);
    let at = here;
    while (at < end && this.#peak(Math.floor(at / BLOCK)) < SILENCE) at = (Math.floor(at / BLOCK) + 1) * BLOCK;
    return Math.min(at, end) - here;
  }

  #peak(block: number): number {
    return this.#peaks[block & (this.#peaks.length - 1)] as number;
  }

  /**
   * Of the lags up to `farthest` that fit best, the one that comes nearest to `distance`; 0 when there is none. A coarse
   * search in all, a fine one around what it finds.
   */
  #bestLag(start: number, sign: number, distance: number, farthest: number): number {
    const first = this.#samples(STEP_S.least);
    const count = Math.floor((farthest - first) / COARSE.lag) + 1;
    if (count < 1) return 0;
    const scores = this.#scores;
    let best = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < count; i++) {
      const score = this.#correlation(start, sign * (first + i * COARSE.lag), COARSE.sample);
      scores[i] = score;
      if (score > best) best = score;
    }
    let chosen = -1;
    for (let i = 0; i < count; i++) {
      const away = Math.abs(first + i * COARSE.lag - distance);
      const least = Math.abs(first + chosen * COARSE.lag - distance);
      if ((scores[i] as number) >= best - AS_GOOD && (chosen < 0 || away < least)) chosen = i;
    }
    // That may be on the slope of a peak.
    const last = count - 1;
    while (chosen > 0 && (scores[chosen - 1] as number) > (scores[chosen] as number)) chosen--;
    while (chosen < last && (scores[chosen + 1] as number) > (scores[chosen] as number)) chosen++;
    const middle = first + chosen * COARSE.lag;
    let lag = 0;
    best = Number.NEGATIVE_INFINITY;
    for (let near = middle - COARSE.lag; near <= Math.min(middle + COARSE.lag, farthest); near++) {
      const score = this.#correlation(start, sign * near, 1);
      if (score > best) {
        best = score;
        lag = near;
      }
    }
    return lag;
  }

  /**
   * How like the sound is to itself around here when the delay is moved by `move` samples: from -1 to 1, 0 where there is
   * none. Compares the stretch that a cross-fade needs, or as much of it as is here and what came before.
   */
  #correlation(start: number, move: number, stride: number): number {
    const length = this.#fadeIn.length;
    const known = Math.min(this.#delay, this.#delay + move) + this.#written - start;
    const from = start - this.#delay + Math.min(length, known) - length;
    let product = 0;
    let here = 0;
    let there = 0;
    for (let c = 0; c < this.#rings.length; c++) {
      const ring = this.#rings[c] as Float32Array;
      for (let i = 0; i < length; i += stride) {
        const a = ring[(from + i) & this.#mask] as number;
        const b = ring[(from + i - move) & this.#mask] as number;
        product += a * b;
        here += a * a;
        there += b * b;
      }
    }
    const power = Math.sqrt(here * there);
    return power > 0 ? product / power : 0;
  }

  #samples(seconds: number): number {
    return Math.round(seconds * this.sampleRate);
  }
}
