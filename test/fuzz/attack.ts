import { createSocket, type Socket } from 'node:dgram';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Rooms, SignallingError } from '../../src/server/rooms.js';
import { until } from '../support/whep-rig.js';
import { attribute, check, STUN, stun } from './datagrams.js';
import { HostilePeer, serverSide } from './hostile-peer.js';
import { Mutator } from './mutate.js';
import { targets as datagramTargets } from './targets/datagrams.js';
import { overTcp, REQUESTS } from './targets/http.js';
import { targets as textTargets } from './targets/sdp.js';

/** Attackers' sockets: most of them have an address of nobody. */
const SOCKETS = 8;
/** Who send requests at a time. */
const CLIENTS = 8;
/** Sent at once, so that what is looked at is work, and not what the system's buffers hold. */
const BATCH = 100;
/** Real datagrams that are kept to be mutated and sent once more. */
const MOST_CAPTURED = 400;

/** What an attack has sent so far. */
export interface AttackCounts {
  /** Malformed datagrams, and real ones from elsewhere, to the ports of sessions. */
  datagrams: number;
  /** Malformed offers that got an answer. */
  offers: number;
  requests: number;
  /** Peers whose handshakes are malformed, and whose signed STUN is. */
  handshakes: number;
  /** Malformed packets that decrypt well. */
  packets: number;
}

/** All that strangers can send to a server with one stream, `a`, malformed, and all of it at a time. */
export class Attack {
  readonly counts: AttackCounts = { datagrams: 0, offers: 0, requests: 0, handshakes: 0, packets: 0 };
  readonly #rooms: Rooms;
  readonly #httpPort: number;
  readonly #captured: readonly Buffer[];
  readonly #ports: readonly number[];
  readonly #publishing: HostilePeer;
  readonly #watching: HostilePeer;

  private constructor(target: AttackTarget, ports: readonly number[], publishing: HostilePeer, watching: HostilePeer) {
    this.#rooms = target.rooms;
    this.#httpPort = target.httpPort;
    this.#captured = target.captured;
    this.#ports = ports;
    this.#publishing = publishing;
    this.#watching = watching;
  }

  /** Opens two peers and waits until they have keys; one of them watches the stream. */
  static async open(target: AttackTarget): Promise<Attack> {
    const { rooms } = target;
    const publishing = await HostilePeer.open('sendonly', (offer) => rooms.publish('hostile', offer));
    const watching = await HostilePeer.open('recvonly', (offer) => rooms.watch('a', 'source', offer));
    for (const peer of [publishing, watching]) await until('the hostile peer to connect', () => peer.connected);
    const ports = [...target.answers, publishing.session.answerSdp].map((answer) => serverSide(answer).port);
    return new Attack(target, ports, publishing, watching);
  }

  /** Attacks until so many datagrams have been sent, and at least one of everything else. */
  async run(datagrams: number): Promise<void> {
    const running = (): boolean => Object.values(this.counts).some((count) => count === 0) || flooding;
    let flooding = true;
    const others = Promise.all([
      this.offers(Number.POSITIVE_INFINITY, running),
      this.#requests(running),
      this.#handshakes(running),
      this.#media(this.#publishing, running),
      this.#media(this.#watching, running),
    ]);
    await this.flood(datagrams);
    flooding = false;
    await others;
  }

  async close(): Promise<void> {
    await Promise.all([this.#publishing.close(), this.#watching.close()]);
  }

  async flood(count: number): Promise<void> {
    const sockets = await Promise.all(Array.from({ length: SOCKETS }, openSocket));
    const plain = new Mutator(['stun', 'rtcp', 'rtp-header'].flatMap(seedsOf), 1);
    const real = new Mutator(this.#captured, 2);
    for (let sent = 0; sent < count; ) {
      for (let i = 0; i < BATCH; i++, sent++) {
        const copied = this.#captured[(sent / 16) % this.#captured.length];
        const data = sent % 16 === 0 && copied ? copied : (sent % 2 ? real : plain).next();
        sockets[sent % SOCKETS]?.send(data, this.#ports[sent % this.#ports.length], '127.0.0.1');
      }
      this.counts.datagrams += BATCH;
      await sleep(1);
    }
    for (const socket of sockets) socket.close();
  }

  async offers(count: number, running = (): boolean => true): Promise<void> {
    const mutator = new Mutator(seedsOf('sdp-offer'), 3, true);
    const fragments = new Mutator(seedsOf('rtc-fragment'), 4, true);
    for (let i = 0; i < count && running(); i++) {
      const offer = Buffer.from(mutator.next()).toString();
      try {
        const session = await (i % 2
          ? this.#rooms.watch('a', 'source', offer)
          : this.#rooms.publish(`offer${i}`, offer));
        this.counts.offers++;
        for (let n = 0; n < 20; n++) {
          await session.trickle(Buffer.from(fragments.next()).toString()).catch(expectRefusal);
        }
        await session.close('The test has done with it.');
      } catch (error) {
        expectRefusal(error);
      }
      if (i % 10 === 0) await sleep(1);
    }
  }

  async #requests(running: () => boolean): Promise<void> {
    const mutator = new Mutator(REQUESTS, 5);
    const address = { address: '127.0.0.1', port: this.#httpPort, family: 'IPv4' };
    const client = async (): Promise<void> => {
      for (; running(); this.counts.requests++) {
        const answer = await overTcp(address, [mutator.next()]);
        if (/^HTTP\/1\.1 500 /m.test(answer)) throw new Error(`The server failed: ${answer}`);
      }
    };
    await Promise.all(Array.from({ length: CLIENTS }, client));
  }

  async #handshakes(running: () => boolean): Promise<void> {
    for (let peers = 0; running(); peers++) {
      const mutator = new Mutator([Buffer.from([22])], 10 + peers);
      const peer = await HostilePeer.open(
        'sendonly',
        (offer) => this.#rooms.publish(`handshake${peers}`, offer),
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
        await sleep(5);
      }
      socket.close();
      await peer.close();
      this.counts.handshakes++;
    }
  }

  async #media(peer: HostilePeer, running: () => boolean): Promise<void> {
    const ssrc = Number(/a=ssrc:(\d+)/.exec(peer.session.answerSdp)?.[1] ?? 0);
    const rtp = new Mutator(seedsOf('rtp-header'), 6);
    const rtcp = new Mutator(seedsOf('rtcp'), 7);
    // Read for as long as it says that it is, this one would take minutes.
    const endless = Buffer.alloc(1200, 0x10);
    Buffer.from('90610001000000020000000300be', 'hex').copy(endless);
    Buffer.from('bedeffff', 'hex').copy(endless, 12);
    while (running()) {
      peer.raw(endless);
      for (let i = 0; i < 20; i++, this.counts.packets += 2) {
        const packet = Buffer.from(rtp.next());
        // Of the payload type that is published, more often than chance has it.
        if (packet.length > 12 && i % 2) packet.writeUInt8(97, 1);
        peer.rtp(packet);
        const report = Buffer.from(rtcp.next());
        if (report.length >= 12 && i % 2) report.writeUInt32BE(ssrc, 8);
        peer.rtcp(report);
      }
      await sleep(5);
    }
  }
}

/** What is attacked. */
export interface AttackTarget {
  readonly rooms: Rooms;
  /** Where its HTTP server listens. */
  readonly httpPort: number;
  /** Answers of real peers of stream `a`: their ports get what is malformed. */
  readonly answers: readonly string[];
  /** Datagrams of those peers. */
  readonly captured: readonly Buffer[];
}

/** Keeps datagrams that come in, which a rig's `impair` is given. */
export function capture(): { readonly captured: Buffer[]; impair(data: Buffer, deliver: () => void): void } {
  const captured: Buffer[] = [];
  return {
    captured,
    impair: (data, deliver) => {
      if (captured.length < MOST_CAPTURED) captured.push(Buffer.from(data));
      deliver();
    },
  };
}

/** UDP sockets of this process. */
export function udpHandles(): number {
  return process.getActiveResourcesInfo().filter((name) => /UDP/i.test(name)).length;
}

function seedsOf(name: string): readonly Uint8Array[] {
  const target = [...datagramTargets, ...textTargets].find((one) => one.name === name);
  if (!target) throw new Error(`There is no target named ${name}.`);
  return target.seeds;
}

function openSocket(): Promise<Socket> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    socket.on('error', () => {});
    socket.bind(0, '127.0.0.1', () => resolve(socket));
  });
}

function expectRefusal(error: unknown): void {
  if (!(error instanceof SignallingError)) throw error;
}

function padded(bytes: Uint8Array): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);
}
