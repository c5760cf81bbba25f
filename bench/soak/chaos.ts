import { type Fault, PASSING_FAULTS } from '../../examples/faults/faults.js';
import type { Size } from '../../src/frame/frame.js';

/** Something that happens to the page. */
export type Incident =
  | { readonly type: 'resize'; readonly track: number; readonly size: Size }
  | { readonly type: 'fault'; readonly fault: Fault };

/** Sizes that sources have: all smaller than the output. */
export const SIZES: readonly Size[] = [
  { width: 80, height: 48 },
  { width: 96, height: 64 },
  { width: 128, height: 72 },
  { width: 160, height: 96 },
];

const FAULTS: readonly Fault[] = [...PASSING_FAULTS, { type: 'slow', ms: 60 }];

/** Numbers from 0 to 1 that are the same for the same seed (Marsaglia's xorshift of 32 bits). */
export function random(seed: number): () => number {
  let state = seed | 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** What happens next. A machine that was made slow gets well again before anything else does. */
export function nextIncident(next: () => number, slow: boolean): Incident {
  if (slow) return { type: 'fault', fault: { type: 'slow', ms: 0 } };
  const one = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)] as T;
  if (next() < 0.5) return { type: 'resize', track: next() < 0.5 ? 0 : 1, size: one(SIZES) };
  return { type: 'fault', fault: one(FAULTS) };
}

export function incidentText(incident: Incident): string {
  if (incident.type === 'fault') return Object.values(incident.fault).join(' ');
  return `track ${incident.track} at ${incident.size.width}x${incident.size.height}`;
}
