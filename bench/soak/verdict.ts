import { digits } from '../table.js';
import { type Incident, incidentText } from './chaos.js';
import type { SoakState } from './page.js';
import { isFlat, type Trend, trendOf } from './trend.js';

/** One look at everything. */
export interface Sample {
  readonly seconds: number;
  readonly state: SoakState;
  /** Memory of the page's process, in MiB. */
  readonly pss: number;
  readonly workers: number;
}

/** What a soak has seen. */
export interface Seen {
  readonly samples: readonly Sample[];
  readonly incidents: readonly { readonly atMs: number; readonly incident: Incident }[];
  /** Lines of the page's console that tell of errors. */
  readonly errors: readonly string[];
  /** Workers that were there after the end. */
  readonly left: number;
}

/** Something that must hold, and whether it does. */
export interface Finding {
  readonly what: string;
  readonly holds: boolean;
  readonly figure: string;
}

export interface Verdict {
  readonly passed: boolean;
  readonly findings: readonly Finding[];
}

const BUDGET_MS = 200;
/** After an incident, delays may be anything for this long. */
const GRACE_MS = 1_000;
/** Samples of this share of the time, at the beginning, are warming up. */
const WARM_UP = 0.2;
/** Growth a minute that is called none. */
const MOST = { pss: 1, heap: 0.05, inside: 0.2, workers: 0.05, engineBytes: 0.05 } as const;

/** Judges a soak. @param punctual what was found of all that must be on time */
export function verdict({ samples, incidents, errors, left }: Seen, punctual: readonly Finding[]): Verdict {
  const warm = samples.slice(Math.floor(samples.length * WARM_UP));
  const trend = (value: (sample: Sample) => number): Trend => trendOf(warm.map((one) => [one.seconds, value(one)]));
  const all = (value: (state: SoakState['tracks'][number]) => number) => (sample: Sample) =>
    sample.state.tracks.reduce((sum, track) => sum + value(track), 0);
  const flat = (what: string, unit: string, of: Trend, most: number): Finding => ({
    what: `${what} is flat`,
    holds: isFlat(of, most),
    figure: `${digits(of.first)} to ${digits(of.last)}${unit}, ${of.slope.toFixed(3)} ± ${of.doubt.toFixed(3)} a minute`,
  });
  const last = samples.at(-1)?.state.tracks ?? [];
  const settled = samples
    .flatMap(({ state }) => state.tracks.flatMap(({ delivered }) => delivered))
    .filter(([atMs]) => !incidents.some((incident) => atMs >= incident.atMs && atMs < incident.atMs + GRACE_MS))
    .map(([, delayMs]) => delayMs)
    .sort((a, b) => a - b);
  const at = (share: number): number => settled[Math.floor(share * (settled.length - 1))] ?? Number.NaN;
  const delivered = last.reduce((sum, { stats }) => sum + stats.framesDelivered, 0);
  const received = last.reduce((sum, { stats }) => sum + stats.framesReceived, 0);
  const network = last.reduce((sum, { stats }) => sum + stats.framesByLevel.full + stats.framesByLevel.short, 0);
  const findings: Finding[] = [
    ...punctual,
    { what: 'no error', holds: errors.length === 0, figure: errors.slice(0, 3).join('; ') || 'none' },
    {
      what: 'tracks live',
      holds: last.every(({ state }) => state === 'live'),
      figure: last.map(({ state }) => state).join(', '),
    },
    {
      what: 'frames in order and of one size',
      holds: last.every(({ wrong }) => wrong === 0),
      figure: `${received} in, ${delivered} out, ${network} of them by the network, ${last.map(({ wrong }) => wrong).join(' and ')} wrong`,
    },
    {
      what: `delay within ${BUDGET_MS} ms, but for a second after each incident`,
      holds: at(0.95) <= BUDGET_MS,
      figure: `p50 ${digits(at(0.5))}, p95 ${digits(at(0.95))}, p99 ${digits(at(0.99))}, most ${digits(at(1))} ms of ${settled.length} frames, from source track to output track`,
    },
    flat(
      'memory of the process',
      ' MiB',
      trend(({ pss }) => pss),
      MOST.pss,
    ),
    flat(
      'heap of the page',
      ' MiB',
      trend(({ state }) => state.heap / 2 ** 20),
      MOST.heap,
    ),
    flat(
      'memory of the engine',
      ' MiB',
      trend((sample) => all(({ stats }) => stats.engineBytes)(sample) / 2 ** 20),
      MOST.engineBytes,
    ),
    flat('frames inside', '', trend(all(({ inside }) => inside)), MOST.inside),
    flat(
      'workers',
      '',
      trend(({ workers }) => workers),
      MOST.workers,
    ),
    { what: 'nothing left at the end', holds: left === 0, figure: `${left} workers` },
    {
      what: 'engines that were given up',
      holds: true,
      figure: `${last[0]?.stats.engineRestarts ?? 0}; incidents: ${tally(incidents.map(({ incident }) => incidentText(incident).replace(/^track.*/, 'resize')))}`,
    },
  ];
  return { passed: findings.every(({ holds }) => holds), findings };
}

function tally(names: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].map(([name, count]) => `${count} ${name}`).join(', ') || 'none';
}

export function findingText({ what, holds, figure }: Finding): string {
  return `  ${holds ? 'ok    ' : 'FAILED'}  ${what}: ${figure}`;
}

export function verdictText({ passed, findings }: Verdict): string {
  return [...findings.map(findingText), passed ? 'The soak passed.' : 'The soak FAILED.'].join('\n');
}
