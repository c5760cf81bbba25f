import { DatagramGate } from '../../../src/server/rtc/gate.js';
import {
  goodbye,
  maxBitrate,
  nack,
  pictureLoss,
  type RtcpMessage,
  readRtcp,
  receiverReport,
  senderReport,
  sourceDescription,
} from '../../../src/server/rtc/rtcp.js';
import { extensionText, readRtp } from '../../../src/server/rtc/rtp-packet.js';
import { isAuthentic, readStun } from '../../../src/server/rtc/stun.js';
import { attribute, check, dtlsRecord, rtp, STUN, stun } from '../datagrams.js';
import { inputOf, type Part, partsOf } from '../parts.js';
import type { FuzzTarget } from '../target.js';

const KEYS = { usernameFragment: 'abcd', password: 'password-of-the-server' };
/** What a gate lets in at most. */
const MOST = { addresses: 16, errors: 8, handshake: 256, handshakeBytes: 64 * 1024, extensionBytes: 1024 } as const;

/** Flags of a gate's part: what is done with its bytes. */
const SIGN = 1;
const SECURE = 2;
const RAW_TYPE = 4;
const AGAIN = 8;

function claim(held: boolean, what: string): void {
  if (!held) throw new Error(what);
}

const own = (input: Uint8Array): Buffer => Buffer.from(input.buffer, input.byteOffset, input.byteLength);
const seed = (bytes: Buffer): Uint8Array => new Uint8Array(bytes);

/** What a gate has let in, kept beside it. */
interface Ledger {
  readonly addresses: Set<string>;
  errors: number;
  handshake: number;
  handshakeBytes: number;
}

/**
 * Gives a gate one datagram after another, some of them signed with the right password. Nothing but STUN may pass from where
 * no signed request has come, no record in clear once keys are agreed on, and no more of anything than is allowed.
 * @returns datagrams that passed
 */
export function passGate(input: Uint8Array): number {
  const gate = new DatagramGate(() => KEYS);
  const ledger: Ledger = { addresses: new Set(), errors: 0, handshake: 0, handshakeBytes: 0 };
  let passed = 0;
  let given = 0;
  for (const { flags, step, data } of partsOf(input)) {
    if (flags & SECURE) gate.secured = true;
    const type = flags & RAW_TYPE && data.length >= 2 ? data.readUInt16BE(0) & 0x3fff : STUN.request;
    const bytes = flags & SIGN ? stun(type, flags & RAW_TYPE ? data.subarray(2) : data, KEYS.password) : data;
    // One part stands for many datagrams: from many addresses, or of one.
    for (let n = flags & AGAIN ? 20 : 1; n > 0; n--) {
      const [host, port] = flags & AGAIN ? [`192.0.2.${step}`, 1000 + n] : [`192.0.2.${step & 7}`, 1000];
      const admitted = gate.admit(bytes, host, port);
      given++;
      if (!admitted) continue;
      passed++;
      checkAdmitted(bytes, admitted, gate.secured, `${host}|${port}`, ledger);
    }
  }
  claim(gate.refused === given - passed, 'What is refused is not counted.');
  return passed;
}

function checkAdmitted(bytes: Buffer, admitted: Buffer, secured: boolean, from: string, ledger: Ledger): void {
  const first = bytes.readUInt8(0);
  if (first < 4) {
    const message = readStun(bytes);
    if (message?.kind === 'request') {
      claim(isAuthentic(bytes, message, KEYS.password), 'A request of somebody else.');
      ledger.addresses.add(from);
    } else if (message?.kind === 'error') ledger.errors++;
    else claim(message?.kind === 'response', 'A message that asks for nothing.');
  } else {
    claim(ledger.addresses.has(from), 'Passed from an address that nobody knows.');
    if (first < 64) {
      if (!secured) {
        ledger.handshake++;
        ledger.handshakeBytes += bytes.length;
      } else {
        claim(admitted.readUInt16BE(3) !== 0, 'A record in clear.');
        claim(
          admitted.readUInt8(0) !== 21 || admitted.length < 15 || admitted.readUInt8(14) !== 0,
          'An alert in clear.',
        );
      }
    } else {
      claim(secured, 'Media before there are keys.');
      const control = bytes.readUInt8(1) >= 192 && bytes.readUInt8(1) <= 223;
      const before = 12 + (first & 15) * 4;
      const words = first & 0x10 && !control ? bytes.readUInt16BE(before + 2) : 0;
      claim(
        words * 4 <= MOST.extensionBytes && before + words * 4 <= (control ? 1e5 : bytes.length),
        'An endless header.',
      );
    }
  }
  claim(ledger.addresses.size <= MOST.addresses, 'Too many addresses.');
  claim(ledger.errors <= MOST.errors && ledger.handshake <= MOST.handshake, 'Too much of one kind.');
  claim(ledger.handshakeBytes <= MOST.handshakeBytes, 'A handshake without an end.');
}

const part = (flags: number, step: number, data: Buffer): Part => ({ flags, step, data });
const username = attribute(STUN.username, 'abcd:efgh');
const hello = dtlsRecord(
  22,
  0,
  Buffer.concat([Buffer.from([1, 0, 0, 40, 0, 0, 0, 0, 0, 0, 0, 40]), Buffer.alloc(40, 3)]),
);
const sealed = dtlsRecord(23, 1, Buffer.alloc(40, 9), 1);
const media = rtp({ payloadType: 96, sequenceNumber: 1, timestamp: 2, ssrc: 3, payload: new Uint8Array(30) });
const endless = rtp({ payloadType: 96, sequenceNumber: 1, timestamp: 2, ssrc: 3, extensions: [[1, 'a'.repeat(16)]] });
endless.writeUInt16BE(0xffff, 14);
const gateSeeds = [
  // What stands in clear and says that it is longer than it is; alerts in clear, of a later epoch.
  inputOf([
    part(0, 1, check('abcd', 'efgh', KEYS.password)),
    part(SECURE, 1, endless),
    part(SECURE, 1, media),
    part(0, 1, dtlsRecord(21, 1, Buffer.from([1, 0]))),
    part(0, 1, dtlsRecord(21, 1, Buffer.alloc(26, 1))),
  ]),
  // A long handshake.
  inputOf([
    part(SIGN | AGAIN, 3, username),
    ...Array.from({ length: 3 }, () => part(AGAIN, 3, dtlsRecord(22, 0, Buffer.alloc(2000)))),
    part(SECURE | AGAIN, 3, sealed),
  ]),
  inputOf([
    part(0, 1, check('abcd', 'efgh', KEYS.password)),
    part(0, 1, hello),
    part(SECURE, 1, Buffer.concat([hello, sealed])),
    part(0, 1, media),
  ]),
  inputOf([part(SIGN, 2, username), part(0, 2, hello), part(AGAIN, 2, hello), part(SECURE, 2, media)]),
  inputOf([part(SIGN | AGAIN, 3, username), part(AGAIN, 3, hello), part(SECURE | AGAIN, 3, media)]),
  inputOf([
    part(0, 0, stun(STUN.error, attribute(0x0009, Buffer.from([0, 0, 4, 87])), KEYS.password)),
    part(AGAIN, 0, stun(STUN.error, attribute(0x0009, Buffer.from([0, 0, 4, 87])))),
    part(0, 0, stun(STUN.response, attribute(0x0020, Buffer.from([0, 1, 2, 3, 4, 5, 6, 7])), KEYS.password)),
    part(SIGN | RAW_TYPE, 0, Buffer.concat([Buffer.from([0, 1]), username, attribute(0x8028, 'abcd')])),
  ]),
];

/** Reads a compound packet, checks the numbers, and writes them once more. @returns messages in it */
export function readCompound(data: Buffer): number {
  const messages = readRtcp(data);
  // An entry of a FIR has eight bytes; nothing makes more messages of fewer.
  claim(messages.length <= data.length / 8 + 1, 'More messages than fit.');
  for (const message of messages) checkMessage(message);
  return messages.length;
}

const isNumber = (value: number, limit: number): boolean => Number.isInteger(value) && value >= 0 && value < limit;

function checkMessage(message: RtcpMessage): void {
  switch (message.type) {
    case 'sender-report': {
      const { ssrc, ntpTimestamp, rtpTimestamp } = message;
      const again = senderReport(ssrc, { ntpTimestamp, rtpTimestamp, packetCount: 1, octetCount: 1 });
      same(readRtcp(again)[0], message);
      return;
    }
    case 'report':
      same(readRtcp(receiverReport(1, new Map([[message.source, message.report]])))[0], message);
      return;
    case 'nack': {
      const { source, lost } = message;
      claim(lost.length <= 512 && lost.every((number) => isNumber(number, 2 ** 16)), 'Numbers of no packet.');
      const [again] = readRtcp(nack(1, source, lost));
      const written = again?.type === 'nack' ? [...new Set(again.lost)].sort() : [];
      claim(`${written}` === `${[...new Set(lost)].sort()}`, 'A NACK that is not written as it was read.');
      return;
    }
    case 'max-bitrate': {
      const { bitrate, sources } = message;
      claim(Number.isFinite(bitrate) && bitrate >= 0 && sources.length <= 255, 'A bitrate out of range.');
      same(readRtcp(maxBitrate(1, bitrate, sources))[0], message);
      return;
    }
    case 'bye':
      claim(message.sources.length <= 31 && message.sources.every((ssrc) => isNumber(ssrc, 2 ** 32)), 'A source.');
      return;
    case 'keyframe':
      claim(isNumber(message.source, 2 ** 32), 'A source.');
  }
}

const told = (message: RtcpMessage | undefined): string =>
  JSON.stringify(message, (_, value) => (typeof value === 'bigint' ? `${value}` : value));

function same(again: RtcpMessage | undefined, message: RtcpMessage): void {
  claim(told(again) === told(message), `Written and read again: ${told(message)} is ${told(again)}.`);
}

const report = { fractionLost: 3, packetsLost: -5, highestSequence: 70_000, jitter: 90, lsr: 1, dlsr: 65_536 };
const reports = receiverReport(7, new Map([1, 2, 3].map((source) => [source, report])));
const rtcpSeeds = [
  Buffer.concat([
    senderReport(1, { ntpTimestamp: 0xe000_0000_8000_0000n, rtpTimestamp: 90_000, packetCount: 10, octetCount: 1000 }),
    sourceDescription(1, 'name'),
    goodbye(1),
  ]),
  Buffer.concat([reports, nack(7, 1, [65_534, 65_535, 0, 5, 16, 300]), pictureLoss(7, 1)]),
  Buffer.concat([reports, maxBitrate(7, 1_000_000, [1, 2])]),
  // Far more than is heeded.
  Buffer.concat([Buffer.from('81cd0036', 'hex'), Buffer.alloc(8, 1), Buffer.alloc(4 * 52, 0xff)]),
  // A FIR with two entries; a sender report with a report in it and padding; transport-wide feedback, which is not ours.
  Buffer.from('84ce000600000007000000000000000101000000000000020200000000000000', 'hex').subarray(0, 28),
  Buffer.from(`a1c8000d${'00000001'.repeat(12)}00000004`, 'hex'),
  Buffer.from('8fcd000500000007000000010001000200000300d0010000', 'hex'),
];

/** Reads an RTP packet and its extensions. @returns whether it is one */
export function readPacket(data: Buffer): boolean {
  const packet = readRtp(data);
  if (!packet) return false;
  const { payloadType, sequenceNumber, timestamp, ssrc, payload, extensions } = packet;
  claim(isNumber(payloadType, 128) && isNumber(sequenceNumber, 2 ** 16), 'Numbers of no packet.');
  claim(isNumber(timestamp, 2 ** 32) && isNumber(ssrc, 2 ** 32), 'Numbers of no packet.');
  claim(12 + payload.length + extensions.length <= data.length, 'More than came.');
  for (let id = 0; id < 16; id++) {
    const value = extensionText(packet, id);
    if (value !== undefined) claim(id < 15 && value.length >= 1 && value.length <= 16, `Extension ${id}: ${value}.`);
  }
  return true;
}

const packet = { payloadType: 96, sequenceNumber: 65_535, timestamp: 2 ** 32 - 1, ssrc: 2 ** 32 - 1 };
const rtpSeeds = [
  rtp({ ...packet, marker: true, payload: Buffer.alloc(40, 1) }),
  rtp({
    ...packet,
    extensions: [
      [10, 'l1'],
      [2, 'abc'],
      [9, '0'],
    ],
    payload: Buffer.alloc(20, 2),
  }),
  rtp({ ...packet, padding: 200 }),
  // Two sources that contribute, an extension in the two-byte form, padding.
  Buffer.from('b2600001000000020000000300000004000000051000000201020a0b00030100616263640000000004', 'hex'),
];

/** Whole packets to all readers: what one does not take, another may. */
const readers: readonly ((data: Buffer) => void)[] = [
  (data) => {
    const message = readStun(data);
    if (!message) return;
    claim(message.integrityAt === -1 || message.integrityAt + 24 <= data.length, 'Integrity beyond the end.');
    isAuthentic(data, message, KEYS.password);
  },
  readCompound,
  readPacket,
];

/** Datagrams that come to the port of a session. */
export const targets: readonly FuzzTarget[] = [
  { name: 'rtc-gate', seeds: gateSeeds, run: (input) => void passGate(input) },
  {
    name: 'stun',
    seeds: [
      check('abcd', 'efgh', KEYS.password),
      stun(STUN.response, attribute(0x0020, Buffer.from([0, 1, 2, 3, 4, 5, 6, 7])), KEYS.password),
      stun(STUN.error, attribute(0x0009, Buffer.from([0, 0, 4, 87])), KEYS.password),
    ].map(seed),
    run: (input) => {
      for (const read of readers) read(own(input));
    },
  },
  { name: 'rtcp', seeds: rtcpSeeds.map(seed), run: (input) => void readCompound(own(input)) },
  { name: 'rtp-header', seeds: rtpSeeds.map(seed), run: (input) => void readPacket(own(input)) },
];
