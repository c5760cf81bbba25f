import { describe, expect, it } from 'vitest';
import { AudioDelay } from '../../src/server/rtp/audio-delay.js';
import { EncoderBitrate } from '../../src/server/rtp/bitrate.js';
import { KeyframeRequests } from '../../src/server/rtp/keyframe-requests.js';
import { microsecondsOf, ticksOf } from '../../src/server/rtp/packet.js';
import { PublisherBitrate } from '../../src/server/rtp/publisher-bitrate.js';
import { RetransmissionLimit } from '../../src/server/rtp/retransmission.js';
import { Unwrapper } from '../../src/server/rtp/unwrap.js';
import { random } from '../support/rtp.js';

describe('Unwrapper', () => {
  it.each([16, 32])('makes %i-bit numbers go on through wrapping and reordering', (bits) => {
    const next = random(bits);
    const step = 2 ** (bits - 7);
    const truth = Array.from({ length: 2000 }, (_, i) => 2 ** bits - 3 * step + Math.floor(i * step * 0.9));
    const shuffled = truth.map((value, i) => ({ value, at: i + next() * 8 })).sort((a, b) => a.at - b.at);
    const first = shuffled[0]!.value;
    const unwrapper = new Unwrapper(bits);
    const cycles = Math.floor(first / 2 ** bits) * 2 ** bits;
    for (const { value } of shuffled) expect(unwrapper.unwrap(value % 2 ** bits)).toBe(value - cycles);
  });

  it('is not led away by single wild values, and follows when they are confirmed', () => {
    const unwrapper = new Unwrapper(16);
    expect([0, 1, 2].map((value) => unwrapper.unwrap(value))).toEqual([0, 1, 2]);
    for (let i = 3; i < 100; i++) {
      unwrapper.unwrap(i + 5000 + ((i * 40_503) % 55_000));
      expect(unwrapper.unwrap(i)).toBe(i);
    }
    unwrapper.unwrap(30_000);
    expect(unwrapper.unwrap(30_001)).toBe(30_001);
    // From there on the way round is forwards.
    unwrapper.unwrap(50_000);
    expect(unwrapper.unwrap(50_001)).toBe(50_001);
    expect(unwrapper.unwrap(3)).toBe(65_539);
  });

  it('keeps every tick through microseconds', () => {
    for (let ticks = 0; ticks < 2 ** 40; ticks = ticks * 1.7 + 1) {
      const whole = Math.floor(ticks);
      expect(ticksOf(microsecondsOf(whole))).toBe(whole);
    }
  });
});

describe('KeyframeRequests', () => {
  /** Times at which requests leave, with ticks as they are due. */
  function sentTimes(run: (requests: KeyframeRequests, until: (ms: number) => number) => void): number[] {
    const times: number[] = [];
    let nowMs = 0;
    const requests = new KeyframeRequests({ send: () => times.push(nowMs), intervalMs: 100, maxIntervalMs: 800 });
    run(requests, (ms) => {
      while (requests.nextTickMs !== undefined && requests.nextTickMs <= ms) {
        nowMs = requests.nextTickMs;
        requests.tick(nowMs);
      }
      nowMs = ms;
      return ms;
    });
    return times;
  }

  it('sends the first at once, and those that follow within an interval as one at its end', () => {
    const times = sentTimes((requests, until) => {
      requests.request(until(10));
      requests.arrived();
      for (const ms of [20, 30, 40, 109]) requests.request(until(ms));
      until(110);
      requests.arrived();
      until(1000);
    });
    expect(times).toEqual([10, 110]);
  });

  it('asks again after longer and longer times until a keyframe comes', () => {
    const times = sentTimes((requests, until) => {
      requests.request(until(0));
      for (let ms = 1; ms < 3000; ms += 10) requests.request(until(ms));
      requests.arrived();
      until(10_000);
    });
    expect(times).toEqual([0, 100, 300, 700, 1500, 2300]);
  });

  it('forgets a request that a keyframe has answered before it was sent', () => {
    const times = sentTimes((requests, until) => {
      requests.request(until(0));
      requests.arrived();
      requests.request(until(50));
      requests.arrived();
      until(5000);
    });
    expect(times).toEqual([0]);
  });
});

describe('RetransmissionLimit', () => {
  it('answers each packet once in a round trip, and a few times in all', () => {
    const limit = new RetransmissionLimit();
    expect(limit.allow([65_535, 0, 1], 0, 80)).toEqual([65_535, 0, 1]);
    expect(limit.allow([65_535, 0, 1], 79, 80)).toEqual([]);
    let answers = 0;
    for (let ms = 80; ms < 3000; ms += 10) answers += limit.allow([0], ms, 80).length;
    expect(answers).toBe(4);
    // The number has come round.
    expect(limit.allow([0], 60_000, 80)).toEqual([0]);
  });

  it('does not let a receiver ask for more than the rate', () => {
    const limit = new RetransmissionLimit({ packetsPerSecond: 400 });
    const all = Array.from({ length: 6000 }, (_, i) => i);
    let answers = 0;
    for (let ms = 0; ms <= 10_000; ms += 20) answers += limit.allow(all, ms).length;
    expect(answers).toBeGreaterThan(3900);
    expect(answers).toBeLessThanOrEqual(400 * 10 + 100);
    expect(limit.refused).toBe(501 * 6000 - answers);
  });
});

describe('EncoderBitrate', () => {
  const limits = { min: 400_000, max: 4_000_000 };

  /** Asks once a second while viewers say what they say, and tells where the target changed. */
  function changes(bitrate: EncoderBitrate, fromS: number, toS: number, say: (ms: number) => void): [number, number][] {
    const found: [number, number][] = [];
    let before = bitrate.target(fromS * 1000 - 1);
    for (let second = fromS; second < toS; second++) {
      say(second * 1000);
      const target = bitrate.target(second * 1000);
      if (target !== before) found.push([second, target]);
      before = target;
    }
    return found;
  }

  it('goes down at once to what the narrowest viewer can take, and up in few steps', () => {
    const bitrate = new EncoderBitrate(limits);
    const both = (narrow: number) => (ms: number) => {
      bitrate.feedback('wide', { remb: 10e6 }, ms);
      bitrate.feedback('narrow', { remb: narrow }, ms);
    };
    expect(changes(bitrate, 0, 10, both(10e6))).toEqual([]);
    expect(changes(bitrate, 10, 20, both(1e6))).toEqual([[10, 900_000]]);
    const up = changes(bitrate, 20, 60, both(10e6));
    expect(up.map(([, target]) => target)).toEqual([1_350_000, 2_025_000, 3_037_500, 4_000_000]);
    expect(up[0]![0]).toBe(25);
    expect(Math.min(...up.slice(1).map(([second], i) => second - up[i]![0]))).toBeGreaterThanOrEqual(5);
  });

  it('stays where estimates only waver', () => {
    const bitrate = new EncoderBitrate({ ...limits, start: 1_800_000 });
    const next = random(5);
    expect(changes(bitrate, 0, 300, (ms) => bitrate.feedback(1, { remb: 2e6 * (0.93 + 0.2 * next()) }, ms))).toEqual(
      [],
    );
  });

  it('gives a viewer below the floor no say while others have more', () => {
    const bitrate = new EncoderBitrate(limits);
    const say = (ms: number) => {
      bitrate.feedback('hopeless', { remb: 100_000, sent: 1e6 }, ms);
      bitrate.feedback('good', { remb: 2e6, sent: 3e6 }, ms);
    };
    changes(bitrate, 0, 20, say);
    expect(bitrate.target(20_000)).toBe(1_800_000);
    bitrate.forget('good');
    changes(bitrate, 21, 25, (ms) => bitrate.feedback('hopeless', { remb: 100_000, sent: 1e6 }, ms));
    expect(bitrate.target(25_000)).toBe(400_000);
  });

  it('is not led by an estimate that only begins low, or is low because little is sent', () => {
    const bitrate = new EncoderBitrate({ ...limits, start: 2_000_000 });
    // As Chromium says it of a path without limits: 97 kbit/s, some percent more each second.
    const grows = (ms: number) => bitrate.feedback(1, { remb: 97_000 * 1.08 ** (ms / 1000), sent: 2e6 }, ms);
    expect(changes(bitrate, 0, 5, grows)).toEqual([]);
    const still = (ms: number) => bitrate.feedback(1, { remb: 243_000, sent: 160_000 }, ms);
    expect(changes(bitrate, 5, 60, still)).toEqual([]);
    // A receiver that wants no more says the same, too, but more is sent.
    const limited = (ms: number) => bitrate.feedback(1, { remb: 1e6, sent: 2e6 }, ms);
    expect(changes(bitrate, 60, 70, limited)).toEqual([[63, 900_000]]);
  });

  it('forgets half a minute later that a path was full', () => {
    const bitrate = new EncoderBitrate(limits);
    const say = (remb: number) => (ms: number) => bitrate.feedback(1, { remb, sent: 4e6 }, ms);
    expect(changes(bitrate, 0, 2, say(5e6))).toEqual([]);
    expect(changes(bitrate, 2, 4, say(2e6))).toEqual([[2, 1_800_000]]);
    const quiet = (ms: number) => bitrate.feedback(1, { remb: 2e6, sent: 1e6 }, ms);
    expect(changes(bitrate, 4, 32, quiet)).toEqual([]);
    expect(changes(bitrate, 32, 60, quiet).at(-1)?.[1]).toBe(4_000_000);
  });

  it('follows losses, and grows again without them', () => {
    const bitrate = new EncoderBitrate({ ...limits, start: 2_000_000 });
    changes(bitrate, 0, 10, (ms) => bitrate.feedback(1, { remb: 10e6, fractionLost: 0.3 }, ms));
    const low = bitrate.target(10_000);
    expect(low).toBeLessThan(800_000);
    changes(bitrate, 10, 12, (ms) => bitrate.feedback(1, { remb: 10e6, fractionLost: 0.05 }, ms));
    expect(bitrate.target(12_000)).toBe(low);
    changes(bitrate, 12, 90, (ms) => bitrate.feedback(1, { remb: 10e6, fractionLost: 0 }, ms));
    expect(bitrate.target(90_000)).toBe(4_000_000);
  });

  it('forgets viewers that say nothing any more, and numbers that make no sense', () => {
    const bitrate = new EncoderBitrate(limits);
    changes(bitrate, 0, 5, (ms) => bitrate.feedback('gone', { remb: 500_000, sent: 1e6 }, ms));
    expect(bitrate.target(5_000)).toBe(450_000);
    changes(bitrate, 5, 60, (ms) => bitrate.feedback('here', { remb: 8e6 }, ms));
    expect(bitrate.target(60_000)).toBe(4_000_000);
    for (const wrong of [Number.NaN, -1, Number.POSITIVE_INFINITY]) {
      bitrate.feedback('here', { remb: wrong, fractionLost: wrong, rttMs: wrong }, 61_000);
    }
    expect(bitrate.target(61_000)).toBe(4_000_000);
    expect(bitrate.estimate('gone', 61_000)).toBeUndefined();
  });
});

describe('PublisherBitrate', () => {
  /** A publisher that sends what it is told, through a path that loses all above its capacity. */
  function run(capacity: number, seconds: number, bitrate = new PublisherBitrate({ min: 150_000, max: 3_000_000 })) {
    const told: number[] = [];
    let allowed = 1_000_000;
    for (let ms = 0; ms < seconds * 1000; ms += 500) {
      const sent = allowed;
      allowed = bitrate.update(Math.min(sent, capacity), Math.max(0, 1 - capacity / sent), ms);
      told.push(allowed);
    }
    return told;
  }

  it('reaches the most within seconds on a good path', () => {
    const told = run(10e6, 10);
    expect(told[8]).toBeGreaterThan(2_000_000);
    expect(told.at(-1)).toBe(3_000_000);
  });

  it('stays about what a narrow path carries', () => {
    const told = run(600_000, 120).slice(20);
    expect(Math.min(...told)).toBeGreaterThan(400_000);
    expect(Math.max(...told)).toBeLessThan(800_000);
  });

  it('does not rise above what nobody has tried', () => {
    const bitrate = new PublisherBitrate({ min: 150_000, max: 3_000_000 });
    let told = 0;
    for (let ms = 0; ms < 60_000; ms += 500) told = bitrate.update(400_000, 0, ms);
    expect(told).toBe(1_100_000);
  });
});

describe('AudioDelay', () => {
  /** Packets every 20 ms, released when they are due; when each came and left. */
  function run(
    delay: AudioDelay<number>,
    fromMs: number,
    toMs: number,
    jitterMs = 0,
  ): { came: number; left: number; id: number }[] {
    const came = new Map<number, number>();
    const out: { came: number; left: number; id: number }[] = [];
    const next = random(9);
    const release = (ms: number) => {
      while (delay.nextDueMs !== undefined && delay.nextDueMs <= ms) {
        const due = delay.nextDueMs;
        for (const id of delay.due(due)) out.push({ id, came: came.get(id)!, left: due });
      }
    };
    for (let ms = fromMs; ms < toMs; ms += 20) {
      const at = ms + next() * jitterMs;
      release(at);
      came.set(ms, at);
      delay.push(ms, at);
    }
    release(Number.POSITIVE_INFINITY);
    return out;
  }

  it('begins at the target and holds every packet that long', () => {
    const delay = new AudioDelay<number>();
    delay.aim(120);
    const out = run(delay, 0, 1000);
    expect(out.length).toBe(50);
    for (const { came, left } of out) expect(left - came).toBe(120);
  });

  it('follows the target by a tenth of real time, up and down, in order', () => {
    const delay = new AudioDelay<number>();
    const out: { came: number; left: number; id: number }[] = [];
    delay.aim(0);
    out.push(...run(delay, 0, 500));
    delay.aim(200);
    out.push(...run(delay, 500, 3500));
    delay.aim(50);
    out.push(...run(delay, 3500, 6500));
    expect(out.map(({ id }) => id)).toEqual(Array.from({ length: 325 }, (_, i) => i * 20));
    const spacing = out.slice(1).map(({ left }, i) => left - out[i]!.left);
    expect(Math.min(...spacing)).toBeCloseTo(18, 6);
    expect(Math.max(...spacing)).toBeCloseTo(22, 6);
    const at = (ms: number) => out.find(({ came }) => came === ms)!;
    expect(at(2400).left - at(2400).came).toBeCloseTo(192, 6);
    expect(at(2520).left - at(2520).came).toBeCloseTo(200, 6);
    expect(at(6000).left - at(6000).came).toBeCloseTo(50, 6);
  });

  it('never reorders what comes with jitter', () => {
    const delay = new AudioDelay<number>();
    delay.aim(300);
    run(delay, 0, 100);
    delay.aim(0);
    const out = run(delay, 100, 5000, 19);
    expect(out.every(({ left }, i) => i === 0 || left >= out[i - 1]!.left)).toBe(true);
    expect(out.map(({ id }) => id)).toEqual(Array.from({ length: 245 }, (_, i) => 100 + i * 20));
  });

  it('jumps after a silence, and stays within its bounds', () => {
    const delay = new AudioDelay<number>({ maxPackets: 10, maxDelayMs: 500 });
    delay.aim(100);
    run(delay, 0, 100);
    delay.aim(9000);
    const out = run(delay, 5000, 5100);
    expect(out[0]!.left - out[0]!.came).toBe(500);
    for (let i = 0; i < 50; i++) delay.push(i, 6000);
    expect(delay.count).toBe(10);
    expect(delay.refused).toBe(40);
    delay.clear();
    expect(delay.nextDueMs).toBeUndefined();
  });
});
