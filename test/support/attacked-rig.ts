import { pino } from 'pino';
import { checkServerOptions } from '../../src/server/config.js';
import { startHttp } from '../../src/server/http/server.js';
import { createMetrics } from '../../src/server/metrics.js';
import type { PeerSession } from '../../src/server/rooms.js';
import { Attack, capture } from '../fuzz/attack.js';
import type { PageOpener } from './browser.js';
import { startRig, type WhepRig } from './whep-rig.js';

/** A server whose stream `a` is published and watched by `v` as it was sent, and who attacks it. */
export interface AttackedRig {
  readonly rig: WhepRig;
  readonly attack: Attack;
  readonly publisher: PeerSession;
  readonly viewer: PeerSession;
  /** What the server has logged as failures of its own. */
  readonly failures: readonly string[];
  close(): Promise<void>;
}

/** Starts the server and its peers; nothing is attacked yet. */
export async function startAttackedRig(
  browser: PageOpener,
  pages: string,
  options: { readonly fps?: number } = {},
): Promise<AttackedRig> {
  const { captured, impair } = capture();
  const rig = await startRig(browser, pages, { limits: { peers: 500 } }, { impair });
  const config = checkServerOptions({
    port: 0,
    auth: { tokens: { '*': { publish: 'p' } }, openWatch: true },
    limits: { requestsPerSecond: 1e6, messagesPerSecond: 1e6, connections: 1000 },
  });
  const failures: string[] = [];
  const log = pino({ level: 'error' }, { write: (line: string) => void failures.push(line) });
  const http = await startHttp(config, { rooms: rig.rooms, metrics: createMetrics(), log });
  const publisher = await rig.publish('p', 'a', { codec: 'vp8', ...options });
  const viewer = await rig.watch('v', 'a');
  await rig.seen('v', 30);
  const answers = [publisher, viewer].map(({ answerSdp }) => answerSdp);
  const attack = await Attack.open({ rooms: rig.rooms, httpPort: http.port, answers, captured });
  return {
    rig,
    attack,
    publisher,
    viewer,
    failures,
    close: async () => {
      await http.close({ drainMs: 0 });
      await rig.close();
    },
  };
}
