import { expect, it } from 'vitest';
import { createMetrics } from '../../src/server/metrics.js';
import { createRooms } from '../../src/server/rtc/rooms.js';
import { HostilePeer } from '../fuzz/hostile-peer.js';
import { until } from '../support/whep-rig.js';

it('a peer with keys who invents sources is refused the thirty-third', async () => {
  const metrics = createMetrics();
  const rooms = createRooms({ network: { host: '127.0.0.1' }, metrics });
  const peer = await HostilePeer.open('sendonly', (offer) => rooms.publish('a', offer));
  await until('a connection', () => peer.connected);
  for (let ssrc = 1; ssrc <= 100; ssrc++) {
    const packet = Buffer.alloc(40);
    packet.writeUInt32BE(0x80610001, 0);
    packet.writeUInt32BE(ssrc, 8);
    peer.rtp(packet);
  }
  const dropped = async () =>
    Number(/mana_dropped_total\{cause="datagram"\} (\d+)/.exec(await metrics.text())?.[1] ?? 0);
  await until('the count', async () => (await dropped()) >= 100 - 32);
  expect(await dropped()).toBeLessThan(100 - 16);
  await peer.close();
  await rooms.close('The test is over.');
});

it('a publisher who connects and sends nothing is ended', async () => {
  const rooms = createRooms({ network: { host: '127.0.0.1' }, limits: { idleMs: 200 } });
  const peer = await HostilePeer.open('sendonly', (offer) => rooms.publish('a', offer));
  expect(await peer.session.closed).toBe('No media has come for too long.');
  await peer.close();
  await rooms.close('The test is over.');
});

it('candidates in fragments are bounded', async () => {
  const rooms = createRooms({ network: { host: '127.0.0.1' } });
  const peer = await HostilePeer.open('sendonly', (offer) => rooms.publish('a', offer));
  const fragment = (at: number): string =>
    Array.from({ length: 16 }, (_, i) => `a=candidate:1 1 udp 1 192.0.2.${at} ${5000 + i} typ host\r\n`).join('');
  const trickle = async (): Promise<void> => {
    for (let at = 1; at < 20; at++) await peer.session.trickle(fragment(at));
  };
  await expect(trickle()).rejects.toMatchObject({ status: 413 });
  await peer.close();
  await rooms.close('The test is over.');
});
