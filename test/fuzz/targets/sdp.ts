import { readdirSync, readFileSync } from 'node:fs';
import { SignallingError } from '../../../src/server/rooms.js';
import { writeAnswer } from '../../../src/server/rtc/answer.js';
import { planPublisher, planViewer } from '../../../src/server/rtc/plan.js';
import { type Offer, type RemoteCandidate, readOffer } from '../../../src/server/rtc/sdp.js';
import { readFragment } from '../../../src/server/rtc/sdp-fragment.js';
import type { FuzzTarget } from '../target.js';

const folder = new URL('../seeds/', import.meta.url);

/** Offers of browsers and others, by name. */
export const OFFERS: ReadonlyMap<string, string> = new Map(
  readdirSync(folder)
    .filter((name) => name.endsWith('.sdp'))
    .sort()
    .map((name) => [name.replace('.sdp', ''), readFileSync(new URL(name, folder), 'utf8')]),
);

const FRAGMENTS = [
  'a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\nm=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=candidate:1 1 udp 2130706431 192.0.2.1 61764 typ host\r\n',
  'a=candidate:3420 1 udp 1685987071 203.0.113.4 50000 typ srflx raddr 192.0.2.1 rport 61764 generation 0 ufrag abcd network-cost 999\r\na=candidate:5 1 tcp 1518280447 192.0.2.1 9 typ host tcptype active\r\na=end-of-candidates\r\n',
  'a=ice-ufrag:abcd\r\na=candidate:1 1 UDP 1 2001:db8::7 1 typ relay\r\na=candidate:2 1 udp 99 a1b2c3d4-0000-4000-8000-000000000000.local 5000 typ host\r\n',
];

const LOCAL = {
  usernameFragment: 'wxyz',
  password: '0123456789012345678901',
  fingerprint: `sha-256 ${Array(32).fill('AB').join(':')}`,
  candidates: ['candidate:1 1 udp 2130706431 192.0.2.9 40000 typ host'],
};
const NAMES = { cname: 'cname', streamId: 'stream' };
const MOST_ANSWER_BYTES = 16 * 1024;

function claim(held: boolean, what: string): void {
  if (!held) throw new Error(what);
}

/** Does what may be refused. @returns what comes of it, or `undefined` */
function refusable<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof SignallingError) || ![400, 406, 413, 422].includes(error.status)) throw error;
    return undefined;
  }
}

function checkCandidates(candidates: readonly RemoteCandidate[]): void {
  claim(candidates.length <= 16, 'Too many candidates.');
  for (const { port, priority, component, address } of candidates) {
    claim(port > 0 && port < 65_536 && component === 1, 'A candidate that no peer has.');
    claim(priority >= 0 && priority < 2 ** 32 && address.length <= 64, 'A candidate out of range.');
  }
}

/** What the rest of the server relies on. */
function checkOffer({ media, transport }: Offer): void {
  claim(media.length === 1 || media.length === 2, 'Not one audio and one video.');
  for (const { codecs, extensions, rids, mid } of media) {
    claim(codecs.length <= 128 && rids.length <= 4 && mid.length > 0 && mid.length <= 64, 'Too much in a section.');
    claim(
      codecs.every(({ payloadType }) => Number.isInteger(payloadType) && payloadType >= 0 && payloadType < 128),
      'A payload type.',
    );
    claim(
      codecs.every(({ parameters, feedback }) => parameters.size <= 32 && feedback.size <= 16),
      'Too much of a codec.',
    );
    claim(
      [...extensions.values()].every((id) => id >= 1 && id <= 14),
      'An extension that fits no packet.',
    );
  }
  const { usernameFragment, password, fingerprints, candidates } = transport;
  claim(usernameFragment.length >= 4 && password.length >= 22 && password.length <= 256, 'ICE words.');
  claim(fingerprints.length >= 1 && fingerprints.length <= 4, 'Fingerprints.');
  checkCandidates(candidates);
}

/** The answer has the offer's sections, and no line that is not ours. */
function checkAnswer(offer: Offer, answer: string): void {
  claim(answer.length < MOST_ANSWER_BYTES, 'The answer is too long.');
  const lines = answer.split('\r\n');
  claim(lines.pop() === '', 'The answer does not end its last line.');
  for (const line of lines) claim(/^[vostcma]=[\x20-\x7e]+$/.test(line), `A line of the answer: ${line}`);
  const sections = lines.filter((line) => line.startsWith('m='));
  const mids = lines.filter((line) => line.startsWith('a=mid:')).map((line) => line.slice(6));
  claim(sections.length === offer.media.length, 'The answer has other sections.');
  offer.media.forEach(({ kind, mid }, index) => {
    claim(sections[index]?.startsWith(`m=${kind} `) === true && mids[index] === mid, 'Sections in another order.');
  });
}

/** Takes an offer as servers do, from publishers and from viewers. @returns how many of them got an answer */
export function negotiate(sdp: string): number {
  const offer = refusable(() => readOffer(sdp));
  if (!offer) return 0;
  checkOffer(offer);
  let ssrc = 1;
  const plans = [
    refusable(() => planPublisher(offer)),
    refusable(() => planViewer(offer, { videoCodec: 'vp8', audio: true }, NAMES, () => ssrc++)),
    refusable(() => planViewer(offer, { videoCodec: 'h264', audio: false }, NAMES, () => ssrc++)),
  ];
  for (const plan of plans) if (plan) checkAnswer(offer, writeAnswer(offer, plan.accepted, LOCAL));
  return plans.filter((plan) => plan !== undefined).length;
}

/** Takes a fragment. @returns how many candidates it had */
export function trickle(fragment: string): number {
  const candidates = refusable(() => readFragment(fragment, 'abcd'));
  if (candidates) checkCandidates(candidates);
  return candidates?.length ?? 0;
}

const seeds = (texts: Iterable<string>): Uint8Array[] => [...texts].map((text) => new Uint8Array(Buffer.from(text)));
const text = (input: Uint8Array): string => Buffer.from(input.buffer, input.byteOffset, input.byteLength).toString();

/** What clients write about their connections. */
export const targets: readonly FuzzTarget[] = [
  { name: 'sdp-offer', seeds: seeds(OFFERS.values()), lines: true, run: (input) => void negotiate(text(input)) },
  { name: 'rtc-fragment', seeds: seeds(FRAGMENTS), lines: true, run: (input) => void trickle(text(input)) },
];
