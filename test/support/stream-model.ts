import { Governor, type GovernorSettings } from '../../src/pipeline/governor.js';
import { byNetwork, type Level, type Move, type Variant } from '../../src/pipeline/levels.js';

/** A stream in numbers: when frames come, and what things take. Times are milliseconds. */
export interface Trace {
  readonly arrivals: readonly number[];
  /** What a frame takes in a network that begins on it now. */
  readonly cost: (nowMs: number, variant: Variant) => number;
  /** What enlarging a frame takes. Default 2. */
  readonly scaling?: (nowMs: number) => number;
  /** What a frame should cost in the smaller network, of what it costs in the chosen one; `null`: there is none. */
  readonly smaller?: number | null;
}

/** What became of it. */
export interface Run {
  readonly delivered: readonly { readonly atMs: number; readonly delayMs: number; readonly level: Level }[];
  readonly dropped: number;
  readonly moves: readonly (Move & { readonly atMs: number })[];
  readonly governor: Governor;
}

const STARTING_MS = 150;
const RAMP = 8;

/**
 * Plays a trace through the governor and a model of what surrounds it: a mailbox of one, an engine that does one frame at a
 * time, centres that wait for their lookahead, and frames that go another way when the oldest inside is late. In steps of
 * a millisecond of virtual time.
 */
export function play(trace: Trace, settings: Partial<GovernorSettings> = {}): Run {
  const budgetMs = settings.budgetMs ?? 200;
  const governor = new Governor({ budgetMs, lookahead: 3, minFrameRate: 15, ...settings });
  governor.smaller = trace.smaller ?? null;
  const delivered: Run['delivered'][number][] = [];
  const moves: Run['moves'][number][] = [];
  const arrivals = [...trace.arrivals];
  const end = (arrivals.at(-1) ?? 0) + 1000;
  let waiting: number | undefined;
  let inside: { arrived: number; begun: number; done: number } | undefined;
  let ring: number[] = [];
  let lookahead = 0;
  let steady = 0;
  let late = false;
  let dropped = 0;
  let running: Variant | null = null;
  let starting: { variant: Variant; readyMs: number; ms: number } | undefined;
  const leave = (arrived: number, atMs: number, level: Level): void => {
    delivered.push({ atMs, delayMs: atMs - arrived, level });
  };
  for (let now = 0; now < end; now++) {
    if (inside && now >= inside.done) {
      const { arrived, begun } = inside;
      inside = undefined;
      governor.worked(now - begun, now);
      if (late) dropped++;
      else ring.push(arrived);
      late = false;
      while (ring.length > lookahead) leave(ring.shift() as number, now, governor.level);
    }
    const oldest = ring[0] ?? inside?.arrived;
    if (!inside && ring[0] !== undefined && now - ring[0] >= 0.9 * budgetMs - governor.costMs / 3) {
      leave(ring.shift() as number, now, governor.level);
    }
    if (inside && oldest !== undefined && now - oldest >= budgetMs) late = true;
    while (arrivals[0] !== undefined && arrivals[0] <= now) {
      const arrived = arrivals.shift() as number;
      governor.arrived(now);
      if (waiting !== undefined) dropped++;
      waiting = arrived;
    }
    if (starting && now >= starting.readyMs) {
      const { variant, ms } = starting;
      starting = undefined;
      if (governor.rehearsed(variant, ms, now)) {
        running = variant;
        lookahead = 0;
      }
    }
    if (waiting !== undefined) {
      const wanted = governor.wanted(now);
      if (wanted && !starting) {
        governor.preparing();
        const ms = trace.cost(now, wanted);
        starting = { variant: wanted, readyMs: now + STARTING_MS + 2 * ms, ms };
      }
      if (governor.variant === null || late || running === null) {
        // What waits inside leaves first, or is too late.
        if (late) dropped += ring.length;
        else for (const arrived of ring) leave(arrived, now, governor.level);
        ring = [];
        const scaling = trace.scaling?.(now) ?? 2;
        if (governor.level !== 'pass-through') governor.scaled(scaling);
        leave(
          waiting,
          now + (governor.level === 'pass-through' ? 0 : scaling),
          byNetwork(governor.level) ? 'fast' : governor.level,
        );
        waiting = undefined;
      } else if (!inside) {
        steady++;
        if (governor.lookahead < lookahead) lookahead--;
        else if (governor.lookahead > lookahead && steady >= RAMP) {
          lookahead++;
          steady = 0;
        }
        inside = { arrived: waiting, begun: now, done: now + trace.cost(now, governor.variant) };
        waiting = undefined;
      }
    }
    const move = governor.takeMove();
    if (move) moves.push({ ...move, atMs: now });
  }
  return { delivered, dropped, moves, governor };
}

/** Times at which a source of a steady frame rate gives frames. */
export function steady(framesPerSecond: number, seconds: number): number[] {
  return Array.from({ length: framesPerSecond * seconds }, (_, i) => (i * 1000) / framesPerSecond);
}
