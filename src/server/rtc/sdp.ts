import { isIP } from 'node:net';
import { SignallingError } from '../rooms.js';

/** A remote address for media. */
export interface RemoteCandidate {
  readonly foundation: string;
  readonly component: number;
  readonly priority: number;
  readonly address: string;
  readonly port: number;
  readonly type: string;
}

/** How a peer is connected to and known. */
export interface RemoteTransport {
  readonly usernameFragment: string;
  readonly password: string;
  readonly iceLite: boolean;
  readonly fingerprints: readonly { readonly algorithm: string; readonly value: string }[];
  readonly candidates: readonly RemoteCandidate[];
}

/** A payload format that is offered. */
export interface OfferedCodec {
  readonly payloadType: number;
  /** In small letters. */
  readonly name: string;
  readonly clockRate: number;
  readonly channels: number;
  readonly parameters: ReadonlyMap<string, string>;
  /** `nack`, `nack pli`, `ccm fir`, `goog-remb`, and so on. */
  readonly feedback: ReadonlySet<string>;
}

export type Direction = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive';

/** One m-section. */
export interface OfferedMedia {
  readonly kind: 'audio' | 'video';
  readonly mid: string;
  /** Whether the client itself has switched it off. */
  readonly rejected: boolean;
  readonly direction: Direction;
  readonly protocol: string;
  /** In the order of the offer. */
  readonly codecs: readonly OfferedCodec[];
  /** Ids of header extensions, by URI. */
  readonly extensions: ReadonlyMap<string, number>;
  /** Names of simulcast layers, in the order of the offer. */
  readonly rids: readonly string[];
}

/** What is used of an offer. */
export interface Offer {
  readonly media: readonly OfferedMedia[];
  readonly bundle: readonly string[];
  readonly transport: RemoteTransport;
}

/** Chromium's largest offers have 8 KiB. */
export const MAX_OFFER_BYTES = 64 * 1024;
const MAX_LINES = 1500;
const MAX_LINE_LENGTH = 2048;
const MAX_CODECS = 128;
const MAX_EXTENSIONS = 64;
const MAX_FEEDBACK = 16;
const MAX_PARAMETERS = 32;
const MAX_RIDS = 4;
const MAX_CANDIDATE_LINES = 64;
/** As many as are tried. */
const MAX_CANDIDATES = 16;

const ICE_CHARS = /^[A-Za-z0-9+/]+$/;
const TOKEN = /^[\w!#$%&'*+.^`{|}~-]{1,64}$/;
const RID = /^[A-Za-z0-9_-]{1,16}$/;
const FINGERPRINT = /^(sha-(?:256|384|512)) ([0-9A-F]{2}(?::[0-9A-F]{2}){19,63})$/i;
const DIRECTIONS: ReadonlySet<string> = new Set(['sendrecv', 'sendonly', 'recvonly', 'inactive']);
const WEAK_FINGERPRINT = /^(?:md\d|sha-(?:1|224)) /i;
/** WHIP's clients begin the handshake (RFC 9725, section 4.2): as the one that is called we can prove who they are. */
const SETUPS: ReadonlySet<string> = new Set(['actpass', 'active']);
const PROTOCOLS: ReadonlySet<string> = new Set([
  'UDP/TLS/RTP/SAVPF',
  'UDP/TLS/RTP/SAVP',
  'RTP/SAVPF',
  'TCP/DTLS/RTP/SAVPF',
]);

/** A refusal of what cannot be read. */
export function malformed(message: string): SignallingError {
  return new SignallingError(400, message);
}

/**
 * Reads an SDP offer. Only what is returned here is used, so nothing else of it reaches another part of the server.
 * @throws SignallingError 400 for what is no offer of at most one audio and one video in one transport, 413 when too large
 */
export function readOffer(sdp: string): Offer {
  const [session, ...sections] = split(sdp);
  if (!session) throw malformed('The offer is empty.');
  if (session.lines[0] !== 'v=0') throw malformed('The offer does not begin with v=0.');
  if (sections.length === 0) throw malformed('The offer has no media.');
  if (sections.length > 2) throw malformed('The offer has more than one audio and one video.');
  const media = sections.map((section) => readMedia(section, session));
  if (new Set(media.map(({ kind }) => kind)).size !== media.length) {
    throw malformed('The offer has more than one audio or more than one video.');
  }
  if (new Set(media.map(({ mid }) => mid)).size !== media.length)
    throw malformed('Two media of the offer have one mid.');
  const bundle = (session.first('group') ?? '').split(' ');
  const mids = bundle[0] === 'BUNDLE' ? bundle.slice(1) : [];
  const used = media.filter(({ rejected }) => !rejected);
  if (used.length === 0) throw malformed('All media of the offer are switched off.');
  if (used.length > 1 && !used.every(({ mid }) => mids.includes(mid))) {
    throw malformed('Audio and video must be bundled.');
  }
  const first = sections[media.findIndex(({ rejected }) => !rejected)] ?? session;
  const candidates = sections.flatMap((section) => section.all('candidate'));
  return { media, bundle: mids, transport: readTransport(first, session, candidates) };
}

/** Lines of a session or of one m-section. */
class Section {
  readonly lines: string[] = [];

  /** The value of the first `a=name:value`, or of `a=name`. */
  first(name: string): string | undefined {
    return this.all(name)[0];
  }

  all(name: string): string[] {
    const prefix = `a=${name}:`;
    return this.lines
      .filter((line) => line.startsWith(prefix) || line === `a=${name}`)
      .map((line) => line.slice(prefix.length).trim());
  }

  has(name: string): boolean {
    return this.lines.includes(`a=${name}`);
  }
}

function split(sdp: string): Section[] {
  if (sdp.length > MAX_OFFER_BYTES) throw new SignallingError(413, `An offer may have ${MAX_OFFER_BYTES} bytes.`);
  const lines = sdp.split(/\r?\n/, MAX_LINES + 1);
  if (lines.length > MAX_LINES) throw malformed(`An offer may have ${MAX_LINES} lines.`);
  const sections = [new Section()];
  for (const line of lines) {
    if (line.length > MAX_LINE_LENGTH) throw malformed(`A line of an offer may have ${MAX_LINE_LENGTH} characters.`);
    if (line === '') continue;
    if (!/^[a-z]=/.test(line)) throw malformed('A line of the offer does not have the form letter=value.');
    if (line.startsWith('m=')) sections.push(new Section());
    sections.at(-1)?.lines.push(line);
  }
  return sections;
}

function readMedia(section: Section, session: Section): OfferedMedia {
  const [kind, port, protocol, ...formats] = (section.lines[0] ?? '').slice(2).split(' ');
  if (kind !== 'audio' && kind !== 'video') throw malformed('An offer may have audio and video, nothing else.');
  if (!port || !/^\d{1,5}$/.test(port)) throw malformed('The port of a media line is no number.');
  if (!protocol || !PROTOCOLS.has(protocol)) throw malformed('Media must be sent as RTP over DTLS.');
  if (formats.length === 0 || formats.length > MAX_CODECS) throw malformed('A media line has no or too many formats.');
  const mid = section.first('mid');
  if (!mid || !TOKEN.test(mid)) throw malformed('A media section has no mid.');
  const rejected = port === '0' && !section.has('bundle-only');
  if (!rejected && !section.has('rtcp-mux')) throw malformed('RTP and RTCP must be multiplexed.');
  const directions = [...DIRECTIONS].filter((name) => section.has(name));
  if (directions.length > 1) throw malformed('A media section has two directions.');
  const direction = directions[0] ?? [...DIRECTIONS].find((name) => session.has(name)) ?? 'sendrecv';
  return {
    kind,
    mid,
    rejected,
    direction: direction as Direction,
    protocol,
    codecs: readCodecs(section, formats),
    extensions: readExtensions(section),
    rids: readRids(section),
  };
}

function readCodecs(section: Section, formats: readonly string[]): OfferedCodec[] {
  const rtpmaps = byPayloadType(section.all('rtpmap'));
  const fmtps = byPayloadType(section.all('fmtp'));
  const feedbacks = section.all('rtcp-fb').map((line) => /^(\d{1,3}|\*) ([\w -]{1,32})$/.exec(line));
  const codecs: OfferedCodec[] = [];
  for (const format of new Set(formats)) {
    const payloadType = Number(format);
    if (!/^\d{1,3}$/.test(format) || payloadType > 127) throw malformed('A payload type is not a number up to 127.');
    const map = /^([\w.-]{1,32})\/(\d{1,7})(?:\/(\d{1,2}))?$/.exec(rtpmaps.get(payloadType) ?? '');
    // Static payload types need no rtpmap; none of them is a codec we take.
    if (!map) continue;
    const feedback = feedbacks
      .filter((match) => match && (match[1] === '*' || match[1] === format))
      .slice(0, MAX_FEEDBACK)
      .map((match) => (match?.[2] ?? '').trim());
    codecs.push({
      payloadType,
      name: (map[1] ?? '').toLowerCase(),
      clockRate: Number(map[2]),
      channels: Number(map[3] ?? 1),
      parameters: readParameters(fmtps.get(payloadType) ?? ''),
      feedback: new Set(feedback),
    });
  }
  return codecs;
}

function byPayloadType(values: readonly string[]): Map<number, string> {
  const found = new Map<number, string>();
  for (const value of values) {
    const space = value.indexOf(' ');
    const payloadType = Number(value.slice(0, Math.max(0, space)));
    if (space > 0 && !found.has(payloadType)) found.set(payloadType, value.slice(space + 1).trim());
  }
  return found;
}

function readParameters(fmtp: string): Map<string, string> {
  const parameters = new Map<string, string>();
  for (const part of fmtp.split(';', MAX_PARAMETERS)) {
    const [name, value = ''] = part.trim().split('=', 2);
    if (name && /^[\w-]{1,64}$/.test(name) && /^[\w+/,:.-]{0,256}$/.test(value)) {
      parameters.set(name.toLowerCase(), value);
    }
  }
  return parameters;
}

function readExtensions(section: Section): Map<string, number> {
  const extensions = new Map<string, number>();
  for (const line of section.all('extmap').slice(0, MAX_EXTENSIONS)) {
    const match = /^(\d{1,3})(?:\/\w+)? (\S{1,200})/.exec(line);
    const id = Number(match?.[1]);
    // Fifteen means something else, and more does not fit into one byte (RFC 8285).
    if (match?.[2] && id >= 1 && id <= 14) extensions.set(match[2], id);
  }
  return extensions;
}

function readRids(section: Section): string[] {
  const simulcast = /(?:^| )send ([^ ]{1,200})/.exec(section.first('simulcast') ?? '');
  if (!simulcast?.[1]) return [];
  const declared = new Set(section.all('rid').map((line) => /^(\S{1,32}) send(?: |$)/.exec(line)?.[1]));
  // Alternatives are separated by commas, paused layers begin with a tilde (RFC 8853).
  const rids = simulcast[1].split(';').map((layer) => (layer.split(',', 1)[0] ?? '').replace(/^~/, ''));
  if (rids.length > MAX_RIDS) throw malformed(`A simulcast may have ${MAX_RIDS} layers.`);
  if (!rids.every((rid) => RID.test(rid) && declared.has(rid))) throw malformed('A layer of the simulcast has no rid.');
  return [...new Set(rids)];
}

function readTransport(section: Section, session: Section, candidates: readonly string[]): RemoteTransport {
  const value = (name: string): string | undefined => section.first(name) ?? session.first(name);
  const usernameFragment = value('ice-ufrag') ?? '';
  const password = value('ice-pwd') ?? '';
  if (!isIceWord(usernameFragment, 4)) throw malformed('The offer has no ICE user fragment.');
  if (!isIceWord(password, 22)) throw malformed('The offer has no ICE password.');
  const lines = section.all('fingerprint');
  const all = lines.length > 0 ? lines : session.all('fingerprint');
  const strong = all.filter((line) => !WEAK_FINGERPRINT.test(line));
  const fingerprints = strong.slice(0, 4).map((line) => {
    const match = FINGERPRINT.exec(line);
    if (!match?.[1] || !match[2]) throw malformed('A fingerprint of the offer cannot be read.');
    return { algorithm: match[1].toLowerCase(), value: match[2].toUpperCase() };
  });
  if (fingerprints.length === 0) throw malformed('The offer has no fingerprint of SHA-256 or better.');
  const setup = value('setup') ?? 'actpass';
  if (!SETUPS.has(setup)) throw malformed('The offer must say a=setup:actpass or a=setup:active.');
  return {
    usernameFragment,
    password,
    iceLite: session.has('ice-lite'),
    fingerprints,
    candidates: readCandidates(candidates),
  };
}

/** Whether a text can be a user fragment or a password (RFC 8839, section 5.4). */
export function isIceWord(text: string, minLength: number): boolean {
  return text.length >= minLength && text.length <= 256 && ICE_CHARS.test(text);
}

/**
 * Reads candidates, without `a=candidate:`. Left out is what is never tried: TCP, other components, names (the peer's own
 * checks tell where it is), and addresses of nobody.
 * @throws SignallingError 400
 */
export function readCandidates(values: readonly string[]): RemoteCandidate[] {
  if (values.length > MAX_CANDIDATE_LINES) throw malformed(`An offer may have ${MAX_CANDIDATE_LINES} candidates.`);
  const candidates: RemoteCandidate[] = [];
  for (const value of values) {
    const match =
      /^([\w+/]{1,32}) (\d{1,5}) (\w{1,8}) (\d{1,10}) (\S{1,253}) (\d{1,5}) typ (host|srflx|prflx|relay)( |$)/.exec(
        value,
      );
    if (!match) throw malformed('A candidate cannot be read.');
    const [, foundation = '', component, transport = '', priority, address = '', port, type = ''] = match;
    if (transport.toLowerCase() !== 'udp' || component !== '1' || !isReachable(address)) continue;
    const portNumber = Number(port);
    if (portNumber === 0 || portNumber > 65535 || Number(priority) > 0xffffffff) continue;
    candidates.push({ foundation, component: 1, priority: Number(priority), address, port: portNumber, type });
  }
  return candidates.slice(0, MAX_CANDIDATES);
}

function isReachable(address: string): boolean {
  const family = isIP(address);
  if (family === 4) {
    const first = Number(address.split('.', 1)[0]);
    return first !== 0 && first < 224;
  }
  return family === 6 && address !== '::' && !address.toLowerCase().startsWith('ff');
}
