import { NAL, nalType, START_CODE } from './annex-b.js';
import { ByteBuffer } from './byte-buffer.js';
import type { Depacketizer, WholePicture } from './depacketizer.js';
import { ParameterSets } from './parameter-sets.js';

/** More NAL units than this make no picture. */
const MOST_NALS = 1024;

/** Whether one of the NAL units that begin in a payload of packetization mode 0 or 1 is of this type. */
export function beginsNal(payload: Uint8Array, type: number): boolean {
  const packet = nalType(payload);
  if (packet === NAL.fuA) return ((payload[1] ?? 0) & 0x80) !== 0 && nalType(payload, 1) === type;
  if (packet !== NAL.stapA) return packet === type;
  for (let at = 1; at + 2 < payload.length; ) {
    if (nalType(payload, at + 2) === type) return true;
    at += 2 + sizeAt(payload, at);
  }
  return false;
}

/** The type of the first NAL unit that begins in a payload, 0 when none does. */
function firstNal(payload: Uint8Array): number {
  const packet = nalType(payload);
  if (packet === NAL.stapA) return nalType(payload, 3);
  if (packet === NAL.fuA) return (payload[1] ?? 0) & 0x80 ? nalType(payload, 1) : 0;
  return packet;
}

function sizeAt(payload: Uint8Array, at: number): number {
  return ((payload[at] ?? 0) << 8) | (payload[at + 1] ?? 0);
}

/**
 * H.264 access units in Annex B from RTP payloads (RFC 6184, packetization modes 0 and 1: single NAL units, STAP-A, FU-A).
 * Nothing that came before a gap counts as there after it, so decoding goes on with an IDR picture.
 *
 * Parameter sets are remembered. They are put before a keyframe that comes without them, and those that come by themselves
 * go before the next picture. In a stream whose keyframes bring their own sets, one without them after a gap has lost them.
 */
export class H264Depacketizer implements Depacketizer {
  readonly #buffer: ByteBuffer;
  readonly #wanted: () => void;
  readonly #sets = new ParameterSets();
  #waiting = true;
  #asked = false;
  /** The last keyframe brought its own sequence parameter set. */
  #bringsSets = false;
  /** Whether a picture begins with the next payload. */
  #startKnown = false;
  #skip = false;
  /** Of the picture being collected. */
  #nals = 0;
  #slices = 0;
  #idr = false;
  #spsHere = false;
  #ppsHere = false;
  #audBytes = 0;
  /** Where the NAL unit that is in fragments begins, at its start code. */
  #fragmentAt = -1;

  /**
   * @param maxBytes a larger picture is lost
   * @param wanted called when only a keyframe helps
   */
  constructor(maxBytes: number, wanted: () => void) {
    this.#buffer = new ByteBuffer(maxBytes);
    this.#wanted = wanted;
  }

  get waiting(): boolean {
    return this.#waiting;
  }

  remember(nal: Uint8Array): void {
    this.#sets.add(nal);
  }

  startsKeyframe(payload: Uint8Array): boolean {
    const first = firstNal(payload);
    return (first === NAL.sps || first === NAL.aud) && beginsNal(payload, NAL.sps);
  }

  add(payload: Uint8Array): boolean {
    if (!this.#startKnown) {
      const first = firstNal(payload);
      this.#startKnown = true;
      if (first !== NAL.sps && first !== NAL.aud) this.#skip = true;
    }
    const type = nalType(payload);
    if (type === NAL.fuA) return this.#addFragment(payload) || this.#lose();
    if (this.#fragmentAt >= 0) return this.#lose();
    if (type === NAL.stapA) return this.#addAggregate(payload) || this.#lose();
    // Other aggregates and fragments belong to the interleaved mode; 0, 30 and 31 are to be ignored.
    if (type > NAL.stapA && type < 30) return this.#lose();
    return type === 0 || type >= 30 || this.#addNal(payload) || this.#lose();
  }

  finish(): WholePicture | undefined {
    if (this.#fragmentAt >= 0) this.#lose();
    const skip = this.#skip;
    if (!skip && this.#slices === 0) {
      // Parameter sets by themselves stay: the next picture may need them.
      if (!this.#spsHere && !this.#ppsHere) this.#clear();
      return undefined;
    }
    const key = this.#idr && this.#complete();
    const whole = !skip && (key || (!this.#waiting && !this.#idr));
    const data = whole ? this.#buffer.copy() : undefined;
    if (key && whole) {
      this.#bringsSets = this.#spsHere;
      this.#waiting = false;
      this.#asked = false;
    } else if (!whole) {
      if (this.#idr) this.#asked = false;
      this.#waiting = true;
      this.#ask();
    }
    this.#clear();
    return data && { data, key };
  }

  gap(): void {
    this.#clear();
    this.#startKnown = false;
    this.#waiting = true;
    this.#asked = false;
    this.#ask();
  }

  reset(): void {
    this.#clear();
    this.#sets.clear();
    this.#startKnown = false;
    this.#waiting = true;
    this.#asked = false;
    this.#bringsSets = false;
  }

  #addAggregate(payload: Uint8Array): boolean {
    let at = 1;
    while (at + 2 < payload.length) {
      const bytes = sizeAt(payload, at);
      at += 2;
      if (bytes === 0 || at + bytes > payload.length) return false;
      if (!this.#addNal(payload.subarray(at, at + bytes))) return false;
      at += bytes;
    }
    return at === payload.length && at > 1;
  }

  #addFragment(payload: Uint8Array): boolean {
    const header = payload[1];
    if (header === undefined || payload.length < 3) return false;
    const begins = (header & 0x80) !== 0;
    const open = this.#fragmentAt >= 0;
    // The rest of a picture that is lost already.
    if (!begins && !open && this.#skip) return true;
    if (begins === open) return false;
    if (begins) {
      this.#fragmentAt = this.#buffer.length;
      const nalHeader = ((payload[0] ?? 0) & 0xe0) | (header & 0x1f);
      if (!this.#buffer.append(START_CODE) || !this.#buffer.appendByte(nalHeader)) return false;
    }
    if (!this.#buffer.append(payload, 2)) return false;
    if (header & 0x40) {
      const nal = this.#buffer.view(this.#fragmentAt + START_CODE.length);
      this.#fragmentAt = -1;
      return this.#note(nal);
    }
    return true;
  }

  #addNal(nal: Uint8Array): boolean {
    const type = nalType(nal);
    if (type === NAL.filler || (type === NAL.aud && this.#nals > 0)) return true;
    if (type === 0 || type >= NAL.stapA) return false;
    if (!this.#buffer.append(START_CODE) || !this.#buffer.append(nal)) return false;
    if (type === NAL.aud) this.#audBytes = this.#buffer.length;
    return this.#note(nal);
  }

  /** A whole NAL unit is in the buffer. */
  #note(nal: Uint8Array): boolean {
    if (++this.#nals > MOST_NALS) return false;
    const type = nalType(nal);
    if (type >= NAL.slice && type <= NAL.idr) this.#slices++;
    if (type === NAL.idr) this.#idr = true;
    if (type !== NAL.sps && type !== NAL.pps) return true;
    if (type === NAL.sps) this.#spsHere = true;
    else this.#ppsHere = true;
    return this.#sets.add(nal);
  }

  /** Sees to it that a keyframe's parameter sets are in the buffer. */
  #complete(): boolean {
    if (this.#spsHere && this.#ppsHere) return true;
    if (this.#waiting && this.#bringsSets && !this.#spsHere) return false;
    const sets = this.#sets.annexB();
    return sets !== undefined && this.#buffer.insert(sets, this.#audBytes);
  }

  #lose(): false {
    this.#skip = true;
    this.#fragmentAt = -1;
    this.#buffer.clear();
    return false;
  }

  #clear(): void {
    this.#buffer.clear();
    this.#skip = false;
    this.#nals = 0;
    this.#slices = 0;
    this.#idr = false;
    this.#spsHere = false;
    this.#ppsHere = false;
    this.#audBytes = 0;
    this.#fragmentAt = -1;
  }

  #ask(): void {
    if (this.#asked) return;
    this.#asked = true;
    this.#wanted();
  }
}
