import { Continuity, type PacketNumbers } from '../../../src/server/rtc/continuity.js';
import { Nacks } from '../../../src/server/rtc/nacks.js';
import { Reception } from '../../../src/server/rtc/reception.js';
import { type RolloverState, updateRolloverCount } from '../../../src/server/rtc/rollover.js';
import { readRtcp, receiverReport } from '../../../src/server/rtc/rtcp.js';
import { compactNtp, msToNtp, ntpToMs, SenderClock } from '../../../src/server/rtc/sender-clock.js';
import type { FuzzTarget } from '../target.js';

/** Bytes that stand for one packet: flags, sequence number, timestamp, milliseconds, another number. */
const STEP_BYTES = 8;
const MOST_STEPS = 400;
/** What is missing at most, and how often it is asked for. */
const MOST_MISSING = 256;
const MOST_TRIES = 4;
/** How late a packet may be before its timestamps count as new ones. */
const MOST_DELAY_MS = 10_000;
const EPOCH_MS = 1_700_000_000_000;

/** A packet's numbers, and what else happens with it. */
interface Step extends PacketNumbers {
  readonly flags: number;
  readonly nowMs: number;
  readonly number: number;
}

function claim(held: boolean, what: string): void {
  if (!held) throw new Error(what);
}

/** Reads an input as packets. Small steps of numbers are likely, and all are possible. */
function* stepsOf(input: Uint8Array): Generator<Step> {
  let sequenceNumber = 65_500;
  let timestamp = 2 ** 32 - 9000;
  let nowMs = 1000;
  for (let n = 0; n < MOST_STEPS && (n + 1) * STEP_BYTES <= input.length; n++) {
    const byte = (i: number): number => input[n * STEP_BYTES + i] ?? 0;
    const flags = byte(0);
    const jump = (byte(1) << 8) | byte(2);
    sequenceNumber = (sequenceNumber + (flags & 0x10 ? jump : (byte(2) & 7) - 2)) & 0xffff;
    timestamp = (timestamp + (flags & 0x20 ? byte(3) * 2 ** 24 + byte(4) * 2 ** 8 : (byte(3) & 3) * 3000)) >>> 0;
    nowMs += flags & 0x40 ? byte(5) * 20 : byte(5) & 31;
    yield { flags, sequenceNumber, timestamp, nowMs, number: (byte(6) << 8) | byte(7) };
  }
}

/** Steps of a stream: in order, with losses, reordered, with jumps. */
function seedOf(
  steps: readonly (readonly [flags: number, sequence: number, ms: number, number?: number])[],
): Uint8Array {
  return Uint8Array.from(
    steps.flatMap(([flags, sequence, ms, number = 0]) => {
      const step = flags & 0x10 ? sequence : sequence + 2;
      return [flags, (step >> 8) & 0xff, step & 0xff, 1, 0, ms, number >> 8, number & 0xff];
    }),
  );
}

const inOrder = Array.from({ length: 60 }, () => [0, 1, 16] as const);
const seeds = [
  seedOf(inOrder),
  seedOf([
    ...inOrder.slice(0, 10),
    [0, 4, 16],
    [0, -2, 1],
    [0, 3, 20],
    [1, 1, 30],
    ...inOrder.slice(0, 20),
    [1, 1, 31],
  ]),
  seedOf([
    [0, 1, 1],
    [0x10, 100, 1],
    [1, 1, 20],
    [1, 1, 20],
    [1, 1, 31],
    [0x10, 120, 1],
    [0x11, 120, 20],
    [0x50, 30_000, 9],
  ]),
  seedOf([
    ...inOrder.slice(0, 5),
    [2, 1, 16, 7],
    ...inOrder.slice(0, 5),
    [6, 1, 16, 500],
    [0x32, 9000, 16, 3],
    [4, 1, 2],
  ]),
  seedOf([
    [0x30, 40_000, 16],
    [0, 1, 16],
    [0x34, 20_000, 16, 9],
    [0x0c, 1, 16, 1],
    [0x70, 50_000, 200],
    [4, 1, 20, 60_000],
  ]),
];

/** @returns how many packets were asked for again; each of them is missing, and in order */
export function askAgain(input: Uint8Array): number {
  const nacks = new Nacks();
  // Numbers that go on where the real ones wrap.
  let highest: number | undefined;
  const came = new Set<number>();
  const asked = new Map<number, number>();
  let count = 0;
  for (const { flags, sequenceNumber, nowMs, number } of stepsOf(input)) {
    const ahead = highest === undefined ? 0 : (sequenceNumber - highest) & 0xffff;
    const index: number =
      highest === undefined ? sequenceNumber + 2 ** 17 : highest + (ahead < 0x8000 ? ahead : ahead - 0x10000);
    highest = Math.max(highest ?? index, index);
    came.add(index);
    nacks.received(sequenceNumber, nowMs);
    claim(nacks.missing <= MOST_MISSING, 'Too much is missing.');
    if (!(flags & 1)) continue;
    const due = nacks.due(nowMs, number);
    let before = Number.NEGATIVE_INFINITY;
    for (const lost of due) {
      const of = highest - (((highest & 0xffff) - lost) & 0xffff);
      const tries = (asked.get(of) ?? 0) + 1;
      asked.set(of, tries);
      claim(of > before && of < highest && highest - of < 0x8000, 'Asked for in a wrong order, or before it was sent.');
      claim(!came.has(of) && tries <= MOST_TRIES, 'Asked for in vain.');
      before = of;
    }
    count += due.length;
  }
  return count;
}

/** @returns reports that were made; what they say is written and read again */
export function report(input: Uint8Array): number {
  const reception = new Reception(90_000);
  let count = 0;
  for (const { flags, sequenceNumber, timestamp, nowMs, number } of stepsOf(input)) {
    reception.packet(sequenceNumber, timestamp, nowMs);
    if (flags & 2) reception.senderReport(number * 65_537, nowMs);
    if (!(flags & 1)) continue;
    const said = reception.report(nowMs + number);
    const [read] = readRtcp(receiverReport(1, new Map([[2, said]])));
    claim(
      read?.type === 'report' && JSON.stringify(read.report) === JSON.stringify(said),
      'Numbers that fit no report.',
    );
    count++;
  }
  return count;
}

/** @returns packets that got numbers: without a gap where sources change, and with the same steps within one */
export function renumber(input: Uint8Array): number {
  const continuity = new Continuity(90_000, { sequenceNumber: 65_530, timestamp: 2 ** 32 - 5 });
  let source = 0;
  let offset: PacketNumbers | undefined;
  let highest = 65_530;
  let count = 0;
  for (const { flags, nowMs, ...packet } of stepsOf(input)) {
    if (flags & 4) {
      source++;
      offset = undefined;
    }
    const numbers = continuity.next(source, packet, nowMs);
    if (!numbers) {
      claim(offset !== undefined, 'The first packet of a source is before its beginning.');
      continue;
    }
    const { sequenceNumber, timestamp } = numbers;
    claim(Number.isInteger(sequenceNumber) && sequenceNumber >= 0 && sequenceNumber < 2 ** 16, 'A sequence number.');
    claim(Number.isInteger(timestamp) && timestamp >= 0 && timestamp < 2 ** 32, 'A timestamp.');
    if (!offset) claim(sequenceNumber === ((highest + 1) & 0xffff), 'A gap between two sources.');
    const moved = {
      sequenceNumber: (sequenceNumber - packet.sequenceNumber) & 0xffff,
      timestamp: (timestamp - packet.timestamp) >>> 0,
    };
    offset ??= moved;
    claim(moved.sequenceNumber === offset.sequenceNumber && moved.timestamp === offset.timestamp, 'A source moved.');
    const ahead = (sequenceNumber - highest) & 0xffff;
    if (ahead > 0 && ahead < 0x8000) highest = sequenceNumber;
    count++;
  }
  return count;
}

/** @returns wraps of sequence numbers; counted as in RFC 3711, appendix A */
export function rollOver(input: Uint8Array): number {
  const state: RolloverState = { rolloverCounter: 0, lastSequenceNumber: 0 };
  let [rollover, last] = [0, -1];
  for (const { sequenceNumber } of stepsOf(input)) {
    if (last < 0) last = sequenceNumber;
    // Where it is exactly half way round, the RFC has no reason to say which.
    if (((sequenceNumber - last) & 0xffff) === 0x8000) continue;
    updateRolloverCount(sequenceNumber, state);
    let guess = rollover;
    if (last < 0x8000 && sequenceNumber - last > 0x8000) guess = Math.max(0, rollover - 1);
    else if (last >= 0x8000 && last - 0x8000 > sequenceNumber) guess = rollover + 1;
    const older = last < 0x8000 && sequenceNumber - last > 0x8000;
    if (guess > rollover || (!older && sequenceNumber > last)) [rollover, last] = [guess, sequenceNumber];
    claim(state.rolloverCounter === guess, `A rollover counter of ${state.rolloverCounter} in place of ${guess}.`);
    claim(state.lastSequenceNumber === last, 'Another highest number.');
  }
  return rollover;
}

/** @returns times that were told: finite ones, and none far from now while only packets tell */
export function timeline(input: Uint8Array): number {
  const clock = new SenderClock({ audio: 48_000, video: 90_000 });
  let [reported, count] = [false, 0];
  for (const { flags, timestamp, nowMs, number } of stepsOf(input)) {
    const track = flags & 8 ? 'audio' : 'video';
    const wallMs = EPOCH_MS + nowMs;
    if (flags & 2) {
      // Any time there can be, or one near now.
      const ntp = flags & 1 ? BigInt(number) << 48n : msToNtp(wallMs - number);
      claim(compactNtp(ntp) >= 0 && compactNtp(ntp) < 2 ** 32, 'The middle of a time.');
      clock.reported(track, ntpToMs(ntp), timestamp);
      reported = true;
    } else clock.arrived(track, timestamp, wallMs);
    const captureMs = clock.captureMs(track, timestamp);
    if (captureMs === undefined) continue;
    claim(Number.isFinite(captureMs), 'A time that never comes.');
    const far = wallMs - captureMs > MOST_DELAY_MS + 1 || captureMs > wallMs + 1;
    if (!reported) claim(!far, `${wallMs - captureMs} ms before now.`);
    count++;
  }
  return count;
}

/** Numbers of packets, as publishers choose them. */
export const targets: readonly FuzzTarget[] = [
  { name: 'rtc-nacks', seeds, run: (input) => void askAgain(input) },
  { name: 'rtc-reception', seeds, run: (input) => void report(input) },
  { name: 'rtc-continuity', seeds, run: (input) => void renumber(input) },
  { name: 'rtc-rollover', seeds, run: (input) => void rollOver(input) },
  { name: 'rtc-sender-clock', seeds, run: (input) => void timeline(input) },
];
