import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type AttackCounts, udpHandles } from '../../test/fuzz/attack.js';
import type { SeenPicture } from '../../test/pages/numbered-pictures.js';
import { type AttackedRig, startAttackedRig } from '../../test/support/attacked-rig.js';
import { faults } from '../../test/support/seen.js';
import { until } from '../../test/support/whep-rig.js';
import { withBrowser } from './rig.js';
import type { Limit } from './verdict.js';

/** What became of a stream whose server was attacked. */
export interface UnharmedResult {
  readonly sent: AttackCounts;
  readonly seconds: number;
  readonly limits: readonly Limit[];
}

const FRAME_RATE = 30;
/** So much is compiled and opened once. */
const WARM_UP = { datagrams: 5_000, offers: 100 } as const;

/** Attacks a server, and looks at what a viewer of its stream sees before, during and after that. */
export function unharmed(datagrams: number): Promise<UnharmedResult> {
  return withBrowser(async (browser, pages) => {
    const attacked = await startAttackedRig(browser, pages, { fps: FRAME_RATE });
    try {
      return await measure(attacked, datagrams);
    } finally {
      await attacked.close();
    }
  });
}

async function measure(attacked: AttackedRig, datagrams: number): Promise<UnharmedResult> {
  const { rig, attack, publisher, viewer, failures } = attacked;
  await rig.run('seen', 'v');
  const before = await rig.seen('v', 90);
  await attack.flood(WARM_UP.datagrams);
  await attack.offers(WARM_UP.offers);
  const fromBytes = usedBytes();
  const handles = udpHandles();
  await rig.run('seen', 'v');
  const warm = { ...attack.counts };

  const beganMs = performance.now();
  await attack.run(datagrams);
  const seconds = (performance.now() - beganMs) / 1000;
  const during = await rig.seen('v', 1);
  const after = await rig.seen('v', 90);
  await attack.close();
  await until('the sockets to close', () => udpHandles() < handles);

  const lost = [publisher, viewer].filter((session) => rig.rooms.session(session.id) !== session).length;
  const sent = Object.fromEntries(
    Object.entries(attack.counts).map(([what, count]) => [what, count - warm[what as keyof AttackCounts]]),
  ) as unknown as AttackCounts;
  return {
    sent,
    seconds,
    limits: [
      { what: 'pictures a second before', value: (1000 * (before.length - 1)) / spanMs(before), atLeast: 20 },
      { what: 'pictures a second during the attack', value: during.length / seconds, atLeast: FRAME_RATE / 3 },
      { what: 'longest pause during the attack', value: longestPauseMs(during), unit: 'ms', atMost: 2000 },
      { what: 'longest pause afterwards', value: longestPauseMs(after), unit: 'ms', atMost: 1000 },
      { what: 'pictures that were wrong', value: [before, during, after].flatMap(faults).length, atMost: 0 },
      { what: 'sessions that were lost', value: lost, atMost: 0 },
      { what: 'failures inside the server', value: failures.length, atMost: 0 },
      { what: 'memory kept', value: (usedBytes() - fromBytes) / 2 ** 20, unit: 'MiB', atMost: 32 },
    ],
  };
}

function spanMs(pictures: readonly SeenPicture[]): number {
  return (pictures.at(-1)?.atMs ?? 0) - (pictures[0]?.atMs ?? 0);
}

function longestPauseMs(pictures: readonly SeenPicture[]): number {
  return Math.max(...pictures.slice(1).map(({ atMs }, index) => atMs - (pictures[index]?.atMs ?? atMs)));
}

/** Heap and array buffers that are not garbage. */
function usedBytes(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
