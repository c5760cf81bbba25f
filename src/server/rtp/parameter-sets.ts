import { NAL, nalType, START_CODE } from './annex-b.js';
import { readPps, readSps } from './h264-sps.js';

/** Parameter sets that are remembered, of each kind. */
const MOST_SETS = 32;
/** A larger set is none: with all scaling lists it takes some hundred bytes. */
const MOST_BYTES = 2048;

/** The parameter sets of an H.264 stream by their ids, the newest of each. */
export class ParameterSets {
  readonly #sps = new Map<number, Uint8Array>();
  readonly #pps = new Map<number, { readonly nal: Uint8Array; readonly spsId: number }>();

  /** Remembers a copy of a NAL unit. @returns false when it is no parameter set that can be read */
  add(nal: Uint8Array): boolean {
    if (nal.length > MOST_BYTES) return false;
    if (nalType(nal) === NAL.sps) {
      const sps = readSps(nal);
      if (sps) keep(this.#sps, sps.id, nal.slice());
      return sps !== undefined;
    }
    const pps = nalType(nal) === NAL.pps ? readPps(nal) : undefined;
    if (pps) keep(this.#pps, pps.id, { nal: nal.slice(), spsId: pps.spsId });
    return pps !== undefined;
  }

  /** All of them with start codes, sequence parameter sets first. `undefined` where no picture could be decoded with them. */
  annexB(): Uint8Array | undefined {
    const usable = [...this.#pps.values()].filter(({ spsId }) => this.#sps.has(spsId));
    if (usable.length === 0) return undefined;
    const nals = [...this.#sps.values(), ...usable.map(({ nal }) => nal)];
    const all = new Uint8Array(nals.reduce((bytes, nal) => bytes + START_CODE.length + nal.length, 0));
    let at = 0;
    for (const nal of nals) {
      all.set(START_CODE, at);
      all.set(nal, at + START_CODE.length);
      at += START_CODE.length + nal.length;
    }
    return all;
  }

  clear(): void {
    this.#sps.clear();
    this.#pps.clear();
  }
}

function keep<T>(sets: Map<number, T>, id: number, set: T): void {
  sets.delete(id);
  const oldest = sets.keys().next();
  if (sets.size >= MOST_SETS && !oldest.done) sets.delete(oldest.value);
  sets.set(id, set);
}
