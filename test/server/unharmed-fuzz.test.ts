import { createSocket, type Socket } from 'node:dgram';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { checkServerOptions } from '../../src/server/config.js';
import { type HttpServer, startHttp } from '../../src/server/http/server.js';
import { createMetrics } from '../../src/server/metrics.js';
import { SignallingError } from '../../src/server/rooms.js';
import { attribute, check, STUN, stun } from '../fuzz/datagrams.js';
import { HostilePeer, serverSide } from '../fuzz/hostile-peer.js';
import { Mutator } from '../fuzz/mutate.js';
import { targets as datagramTargets } from '../fuzz/targets/datagrams.js';
import { overTcp, REQUESTS } from '../fuzz/targets/http.js';
import { targets as textTargets } from '../fuzz/targets/sdp.js';
import type { SeenPicture } from '../pages/numbered-pictures.js';
import type { PageOpener } from '../support/browser.js';
import { openChromium } from '../support/shared-browser.js';
import { faults, startRig, until, type WhepRig } from '../support/whep-rig.js';

/** Attackers' sockets: most of them have an address of nobody. */
const SOCKETS = 8;
/** Who send requests at a time. */
const CLIENTS = 8;
const DATAGRAMS = 100_000;
/** Sent at once, so that what is looked at is work, and not what the system's buffers hold. */
const BATCH = 100;
/** Real datagrams that are kept to be mutated and sent once more. */
const MOST_CAPTURED = 400;

let opened: PageOpener;
let rig: WhepRig;
let http: HttpServer;
const captured: Buffer[] = [];
const failures: string[] = [];

beforeAll(async () => {
  opened = await openChromium();
  rig = await startRig(
    opened,
    { limits: { peers: 500 } },
    {
      impair: (data, deliver) => {
        if (captured.length < MOST_CAPTURED) captured.push(Buffer.from(data));
        deliver();
      },
    },
  );
  const config = checkServerOptions({
    port: 0,
    auth: { tokens: { '*': { publish: 'p' } }, openWatch: true },
    limits: { requestsPerSecond: 1e6, messagesPerSecond: 1e6, connections: 1000 },
  });
  const log = pino({ level: 'error' }, { write: (line: string) => void failures.push(line) });
  http = await startHttp(config, { rooms: rig.rooms, metrics: createMetrics(), log });
});
afterAll(async () => {
  await http.close({ drainMs: 0 });
  await rig.close();
  await opened.close();
});

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

function usedBytes(): number {
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
const seedsOf = (name: string): readonly Uint8Array[] =>
  [...datagramTargets, ...textTargets].find((target) => target.name === name)!.seeds;

function longestPauseMs(pictures: readonly SeenPicture[]): number {
  return Math.max(...pictures.slice(1).map(({ atMs }, index) => atMs - pictures[index]!.atMs));
}

/** Sends malformed datagrams, and real ones from elsewhere, to ports of sessions. @returns how many */
async function flood(ports: readonly number[], count: number): Promise<number> {
  const sockets = await Promise.all(Array.from({ length: SOCKETS }, openSocket));
  const plain = new Mutator(['stun', 'rtcp', 'rtp-header'].flatMap(seedsOf), 1);
  const real = new Mutator(captured, 2);
  let sent = 0;
  while (sent < count) {
    for (let i = 0; i < BATCH; i++, sent++) {
      const data = sent % 16 === 0 ? captured[(sent / 16) % captured.length]! : (sent % 2 ? real : plain).next();
      sockets[sent % SOCKETS]!.send(data, ports[sent % ports.length]!, '127.0.0.1');
    }
    await pause(1);
  }
  for (const socket of sockets) socket.close();
  return sent;
}

function openSocket(): Promise<Socket> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    socket.on('error', () => {});
    socket.bind(0, '127.0.0.1', () => resolve(socket));
  });
}

/** Malformed offers and fragments. @returns how many got an answer */
async function offers(count: number, running: () => boolean): Promise<number> {
  const mutator = new Mutator(seedsOf('sdp-offer'), 3, true);
  const fragments = new Mutator(seedsOf('rtc-fragment'), 4, true);
  let answered = 0;
  for (let i = 0; i < count && running(); i++) {
    const offer = Buffer.from(mutator.next()).toString();
    try {
      const session = await (i % 2 ? rig.rooms.watch('a', 'source', offer) : rig.rooms.publish(`offer${i}`, offer));
      answered++;
      for (let n = 0; n < 20; n++) {
        await session.trickle(Buffer.from(fragments.next()).toString()).catch(expectRefusal);
      }
      await session.close('The test has done with it.');
    } catch (error) {
      expectRefusal(error);
    }
    if (i % 10 === 0) await pause(1);
  }
  return answered;
}

function expectRefusal(error: unknown): void {
  if (!(error instanceof SignallingError)) throw error;
}

/** Malformed requests, several at a time. @returns how many */
async function requests(running: () => boolean): Promise<number> {
  const mutator = new Mutator(REQUESTS, 5);
  const address = { address: '127.0.0.1', port: http.port, family: 'IPv4' };
  let sent = 0;
  const client = async (): Promise<void> => {
    for (; running(); sent++) {
      const answer = await overTcp(address, [mutator.next()]);
      expect(answer).not.toMatch(/^HTTP\/1\.1 500 /m);
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  return sent;
}

/** Peers whose handshakes are malformed, and whose signed STUN is. */
async function handshakes(running: () => boolean): Promise<number> {
  let peers = 0;
  for (; running(); peers++) {
    const mutator = new Mutator([Buffer.from([22])], 10 + peers);
    const peer = await HostilePeer.open(
      'sendonly',
      (offer) => rig.rooms.publish(`handshake${peers}`, offer),
      (datagram) => {
        const mutations = new Mutator([datagram], peers);
        // At times the real one too, so that what follows it is reached.
        const all = Array.from({ length: 12 }, () => Buffer.from(mutations.next()));
        return peers % 2 ? [...all, datagram] : [datagram, ...all];
      },
    );
    const socket = await openSocket();
    const { port, usernameFragment, password } = peer.server;
    const attributes = new Mutator([check(usernameFragment, 'abcd', '').subarray(20, -24)], peers);
    const name = attribute(STUN.username, `${usernameFragment}:abcd`);
    for (let i = 0; i < 40; i++) {
      const signed = Buffer.concat([i % 2 ? name : Buffer.alloc(0), padded(attributes.next())]);
      socket.send(stun(STUN.request, signed, password, `mutated${1000 + i}!`), port, '127.0.0.1');
      socket.send(Buffer.from(mutator.next()), port, '127.0.0.1');
      await pause(5);
    }
    socket.close();
    await peer.close();
  }
  return peers;
}

function padded(bytes: Uint8Array): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);
}

/** A peer with keys, who sends malformed packets that decrypt well. @returns how many */
async function media(peer: HostilePeer, running: () => boolean): Promise<number> {
  await until('the hostile peer to connect', () => peer.connected);
  const ssrc = Number(/a=ssrc:(\d+)/.exec(peer.session.answerSdp)?.[1] ?? 0);
  const rtp = new Mutator(seedsOf('rtp-header'), 6);
  const rtcp = new Mutator(seedsOf('rtcp'), 7);
  let sent = 0;
  // Read for as long as it says that it is, this one would take minutes.
  const endless = Buffer.alloc(1200, 0x10);
  Buffer.from('90610001000000020000000300be', 'hex').copy(endless);
  Buffer.from('bedeffff', 'hex').copy(endless, 12);
  while (running()) {
    peer.raw(endless);
    for (let i = 0; i < 20; i++, sent += 2) {
      const packet = Buffer.from(rtp.next());
      // Of the payload type that is published, more often than chance has it.
      if (packet.length > 12 && i % 2) packet.writeUInt8(97, 1);
      peer.rtp(packet);
      const report = Buffer.from(rtcp.next());
      if (report.length >= 12 && i % 2) report.writeUInt32BE(ssrc, 8);
      peer.rtcp(report);
    }
    await pause(5);
  }
  return sent;
}

it('a stream goes on while 100,000 malformed datagrams, offers, requests and hostile peers come to its server', async () => {
  const publisher = await rig.publish('p', 'a', { codec: 'vp8' });
  const viewer = await rig.watch('v', 'a');
  await rig.seen('v', 60);
  await rig.run('seen', 'v');
  const before = await rig.seen('v', 90);
  expect(faults(before)).toEqual([]);

  const publishing = await HostilePeer.open('sendonly', (offer) => rig.rooms.publish('hostile', offer));
  const watching = await HostilePeer.open('recvonly', (offer) => rig.rooms.watch('a', 'source', offer));
  const ports = [publisher, viewer, publishing.session].map(({ answerSdp }) => serverSide(answerSdp).port);
  // What is compiled and opened once is no growth.
  await flood(ports, 5000);
  await offers(100, () => true);
  const fromBytes = usedBytes();
  const handlesBefore = udpHandles();
  await rig.run('seen', 'v');

  let attacking = true;
  const running = (): boolean => attacking;
  const others = Promise.all([
    offers(100_000, running),
    requests(running),
    handshakes(running),
    media(publishing, running),
    media(watching, running),
  ]);
  const beganMs = performance.now();
  const sent = await flood(ports, DATAGRAMS);
  attacking = false;
  const [answered, requested, hostile, published, watched] = await others;
  const tookMs = performance.now() - beganMs;
  const during = await rig.seen('v', 1);
  console.log(
    `In ${(tookMs / 1000).toFixed(1)} s: ${sent} datagrams, ${answered} offers that got an answer, ${requested} requests, ` +
      `${hostile} malformed handshakes, ${published + watched} malformed packets with keys; ${during.length} pictures, ` +
      `longest pause ${longestPauseMs(during).toFixed(0)} ms (${longestPauseMs(before).toFixed(0)} before).`,
  );
  expect(sent).toBe(DATAGRAMS);
  for (const count of [answered, requested, hostile, published, watched]) expect(count).toBeGreaterThan(0);

  expect(faults(during)).toEqual([]);
  expect(during.length).toBeGreaterThan(((tookMs / 1000) * 30) / 3);
  expect(longestPauseMs(during)).toBeLessThan(2000);
  const after = await rig.seen('v', 90);
  expect(faults(after)).toEqual([]);
  expect(longestPauseMs(after)).toBeLessThan(1000);
  expect(rig.rooms.session(publisher.id)).toBe(publisher);
  expect(rig.rooms.session(viewer.id)).toBe(viewer);

  await Promise.all([publishing.close(), watching.close()]);
  await until('the sockets to close', () => udpHandles() < handlesBefore);
  expect(usedBytes() - fromBytes).toBeLessThan(32 * 2 ** 20);
  expect(failures).toEqual([]);
});

function udpHandles(): number {
  return process.getActiveResourcesInfo().filter((name) => /UDP/i.test(name)).length;
}
