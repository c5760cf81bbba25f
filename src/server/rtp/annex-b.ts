/** NAL unit types of H.264 (ITU-T H.264, table 7-1) and of its RTP payload format (RFC 6184, table 1). */
export const NAL = { slice: 1, idr: 5, sei: 6, sps: 7, pps: 8, aud: 9, filler: 12, stapA: 24, fuA: 28 } as const;

/** Annex B's start code, in its long form. */
export const START_CODE = Uint8Array.of(0, 0, 0, 1);

/** A NAL unit's type. 0, which is none, where there is no byte. */
export function nalType(nal: Uint8Array, at = 0): number {
  return (nal[at] ?? 0) & 0x1f;
}

/** Views of the NAL units of an Annex B byte stream, without start codes and the zeros behind them; `most` at most. */
export function splitAnnexB(data: Uint8Array, most = Number.POSITIVE_INFINITY): Uint8Array[] {
  const nals: Uint8Array[] = [];
  let start = -1;
  let zero = data.indexOf(0);
  while (zero >= 0) {
    if (data[zero + 1] === 0 && data[zero + 2] === 1) {
      push(nals, data, start, zero);
      if (nals.length >= most) return nals;
      start = zero + 3;
      zero = data.indexOf(0, start);
    } else zero = data.indexOf(0, zero + 1);
  }
  push(nals, data, start, data.length);
  return nals;
}

function push(nals: Uint8Array[], data: Uint8Array, start: number, end: number): void {
  if (start < 0) return;
  let last = end;
  // A NAL unit never ends in a zero; those that follow it belong to the next start code or are trailing.
  while (last > start && data[last - 1] === 0) last--;
  if (last > start) nals.push(data.subarray(start, last));
}
