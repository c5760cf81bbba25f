import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { udpHandles } from '../fuzz/attack.js';
import { type AttackedRig, startAttackedRig } from '../support/attacked-rig.js';
import { faults } from '../support/seen.js';
import { openChromium, type SharedChromium } from '../support/shared-browser.js';
import { until } from '../support/whep-rig.js';

/** `npm run bench:server -- --part unharmed` sends more, and measures pauses and memory. */
const DATAGRAMS = 5_000;

let opened: SharedChromium;
let attacked: AttackedRig;

beforeAll(async () => {
  opened = await openChromium();
  attacked = await startAttackedRig(opened, inject('pages'), { fps: 15 });
});
afterAll(async () => {
  await attacked?.close();
  await opened.close();
});

it('a stream goes on while malformed datagrams, offers, requests and hostile peers come to its server', async () => {
  const { rig, attack, publisher, viewer, failures } = attacked;
  const handles = udpHandles();
  const seen = await rig.seen('v', 1);
  await attack.run(DATAGRAMS);
  expect(attack.counts.datagrams).toBeGreaterThanOrEqual(DATAGRAMS);
  for (const [what, count] of Object.entries(attack.counts)) expect(count, what).toBeGreaterThan(0);
  seen.push(...(await rig.seen('v', 15)));
  await attack.close();
  seen.push(...(await rig.seen('v', 30)));
  expect(faults(seen)).toEqual([]);
  expect(rig.rooms.session(publisher.id)).toBe(publisher);
  expect(rig.rooms.session(viewer.id)).toBe(viewer);
  await until('the sockets to close', () => udpHandles() < handles);
  expect(failures).toEqual([]);
});
