import { describe, expect, it } from 'vitest';
import { DatagramGate } from '../../src/server/rtc/gate.js';
import { Nacks } from '../../src/server/rtc/nacks.js';
import { nack, readRtcp } from '../../src/server/rtc/rtcp.js';
import { SenderClock } from '../../src/server/rtc/sender-clock.js';
import { check, dtlsRecord, rtp } from '../fuzz/datagrams.js';
import { expectWithstands } from '../fuzz/suite.js';
import { targets as datagrams, passGate, readCompound, readPacket } from '../fuzz/targets/datagrams.js';
import { carry, targets as streams } from '../fuzz/targets/rtc.js';
import { askAgain, targets as numbers, renumber, report, rollOver, timeline } from '../fuzz/targets/rtc-numbers.js';
import { negotiate, OFFERS, targets as texts, trickle } from '../fuzz/targets/sdp.js';

const targets = [...texts, ...datagrams, ...numbers, ...streams];

it.each(targets)('$name stands malformed inputs: none throws, and nothing is kept', expectWithstands);

describe('the inputs that are made malformed', () => {
  const seeds = (name: string) => targets.find((target) => target.name === name)!.seeds;
  const buffers = (name: string) => seeds(name).map((seed) => Buffer.from(seed));
  const texts = (name: string) => buffers(name).map((seed) => seed.toString());

  it('get answers', () => {
    for (const [name, offer] of OFFERS) expect(negotiate(offer), name).toBeGreaterThan(0);
    for (const fragment of texts('rtc-fragment')) expect(trickle(fragment)).toBeGreaterThan(0);
  });

  it('are let in and read', () => {
    for (const seed of seeds('rtc-gate')) expect(passGate(seed)).toBeGreaterThan(1);
    expect(buffers('rtcp').map(readCompound)).toEqual([2, 5, 4, 1, 2, 2, 0]);
    for (const seed of buffers('rtp-header')) expect(readPacket(seed)).toBe(true);
  });

  it('are counted, asked for again, and sent on', () => {
    for (const work of [askAgain, report, renumber, rollOver, timeline]) {
      expect(Math.max(...seeds('rtc-nacks').map(work)), work.name).toBeGreaterThan(0);
    }
    const outcomes = seeds('rtc-stream').map(carry);
    for (const { sent, keyframeRequests } of outcomes) {
      expect(sent).toBeGreaterThan(3);
      expect(keyframeRequests).toBeGreaterThan(0);
    }
    expect(outcomes[0]!.nacks).toBeGreaterThan(0);
    expect(outcomes[2]!.resent).toBeGreaterThan(5);
  });
});

it('a NACK is heeded up to 512 packets', () => {
  const lost = Array.from({ length: 1000 }, (_, index) => index);
  const entries = Buffer.concat([0, 17, 34].map((add) => nack(1, 2, lost.slice(add, add + 17)).subarray(12)));
  const body = Buffer.concat([nack(1, 2, []).subarray(4), ...Array(20).fill(entries)]);
  const head = Buffer.from([0x81, 205, 0, body.length / 4]);
  const [message] = readRtcp(Buffer.concat([head, body]));
  expect(message).toMatchObject({ type: 'nack', source: 2 });
  expect(message?.type === 'nack' && message.lost.length).toBe(512);
});

describe('DatagramGate', () => {
  const keys = { usernameFragment: 'abcd', password: 'password-of-the-server' };
  const opened = (): DatagramGate => {
    const gate = new DatagramGate(() => keys);
    expect(gate.admit(check('abcd', 'efgh', keys.password), '192.0.2.1', 1)).toBeDefined();
    return gate;
  };
  const admits = (gate: DatagramGate, data: Buffer) => gate.admit(data, '192.0.2.1', 1) !== undefined;

  it('lets no RTP header in that says it is longer than it is, or that takes long to read', () => {
    const gate = opened();
    gate.secured = true;
    const packet = { payloadType: 96, sequenceNumber: 1, timestamp: 2, ssrc: 3, payload: Buffer.alloc(2000) };
    for (const [words, admitted] of [
      [3, true],
      [256, true],
      [257, false],
      [0xffff, false],
    ] as const) {
      const data = rtp({ ...packet, extensions: [[1, 'a'.repeat(11)]] });
      data.writeUInt16BE(words, 14);
      expect(admits(gate, data), `${words}`).toBe(admitted);
    }
    const sources = rtp({ ...packet, payload: Buffer.alloc(40) });
    sources.writeUInt8(0x8f, 0);
    expect(admits(gate, sources)).toBe(false);
  });

  it('lets no alert in that would be taken for one in clear', () => {
    const gate = opened();
    gate.secured = true;
    expect(admits(gate, dtlsRecord(21, 1, Buffer.from([1, 0])))).toBe(false);
    expect(admits(gate, dtlsRecord(21, 1, Buffer.alloc(26)))).toBe(false);
    // As OpenSSL and NSS write it: the epoch and the number, then what is encrypted.
    expect(admits(gate, dtlsRecord(21, 1, Buffer.from(`0001${'00'.repeat(24)}`, 'hex')))).toBe(true);
  });

  it('ends a handshake that asks for keys again and again', () => {
    const exchange = Buffer.alloc(45);
    exchange.writeUInt8(16, 0);
    exchange.writeUIntBE(33, 1, 3);
    exchange.writeUIntBE(33, 9, 3);
    const many = dtlsRecord(22, 0, Buffer.concat(Array<Buffer>(30).fill(exchange)));
    const gate = opened();
    expect(Array.from({ length: 6 }, () => admits(gate, many))).toEqual([true, true, true, true, false, false]);
    const sealed = dtlsRecord(22, 1, Buffer.alloc(1350));
    const other = opened();
    expect(Array.from({ length: 6 }, () => admits(other, sealed))).toEqual([true, true, true, true, false, false]);
    const large = opened();
    const whole = Buffer.alloc(12 + 16_000);
    whole.writeUIntBE(16_000, 9, 3);
    const hello = dtlsRecord(22, 0, whole);
    expect(Array.from({ length: 5 }, () => admits(large, hello))).toEqual([true, true, true, true, false]);
  });
});

describe('Nacks', () => {
  it('asks for nothing that has come since the numbers wrapped', () => {
    const nacks = new Nacks();
    nacks.received(10, 0);
    nacks.received(12, 0);
    expect(nacks.missing).toBe(1);
    for (let number = 13; number < 13 + 65_600; number++) nacks.received(number & 0xffff, 100);
    expect(nacks.missing).toBe(0);
    expect(nacks.due(200, 0)).toEqual([]);
  });

  it('asks for nothing that has been missing for long: a layer may have been unused', () => {
    const nacks = new Nacks();
    nacks.received(10, 0);
    nacks.received(12, 0);
    expect(nacks.due(3000, 0)).toEqual([]);
    expect(nacks.missing).toBe(0);
  });
});

describe('SenderClock', () => {
  it('does not believe a report before it knows a packet', () => {
    const clock = new SenderClock({ audio: 48_000, video: 90_000 });
    clock.reported('video', 5_000_000, 90_000);
    clock.arrived('video', 90_000, 1_000_000);
    expect(clock.captureMs('video', 180_000)).toBe(1_001_000);
  });

  it('follows a source whose timestamps begin anew, wherever that is', () => {
    const clock = new SenderClock({ audio: 48_000, video: 90_000 });
    let nowMs = 1_000_000;
    for (const first of [0, 2 ** 31 - 1, 5, 2 ** 32 - 9_000_000, 0]) {
      for (let picture = 0; picture < 50; picture++) {
        nowMs += 100;
        clock.arrived('video', (first + picture * 9000) >>> 0, nowMs);
        expect(clock.captureMs('video', (first + picture * 9000) >>> 0)).toBeCloseTo(nowMs, 3);
      }
    }
  });
});
