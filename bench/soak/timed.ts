import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser } from 'puppeteer-core';
import { PASSING_FAULTS } from '../../examples/faults/faults.js';
import type { flashAndBeep, remoteTrack } from '../../test/pages/audio.js';
import type { delayed } from '../../test/pages/audio-firefox.js';
import type { hiccup, Survival } from '../../test/pages/faults.js';
import type { Hidden } from '../../test/pages/hidden.js';
import type { Setting } from '../../test/pages/watched.js';
import { inPage, launchChromium, launchFirefox, openPage } from '../../test/support/browser.js';
import { digits } from '../table.js';
import type { Finding } from './verdict.js';

/** The network must be back within this time after a fault, and a frame must leave within this time after the one before. */
const RECOVERY_MS = 2000;
const GAP_MS = 1000;
/** A network that is too slow holds up two frames before it is left. */
const SLOW_GAP_MS = 3000;
const HIDDEN_MS = 20_000;
/** How far a flash may be from its beep, and the delay of the audio that is reported from the one that is heard. */
const SYNC_MS = 20;

const WASM = { backend: 'wasm', width: 80, height: 48, seconds: 40 } satisfies Setting;

type Call = <T>(module: string, name: string, ...args: unknown[]) => Promise<T>;

/** Checks all that must be on time, with the package's own budgets. @param report gets each finding as it is made */
export async function timed(url: string, report: (finding: Finding) => void): Promise<Finding[]> {
  const findings: Finding[] = [];
  const find = (what: string, holds: boolean, figure: string): void => {
    const finding = { what, holds, figure };
    findings.push(finding);
    report(finding);
  };
  await withBrowser(launchChromium, url, async (call) => {
    await recovery(call, find);
    await sync(call, find);
  });
  await hidden(url, find);
  await withBrowser(launchFirefox, url, (call) => syncInFirefox(call, find));
  return findings;
}

type Find = (what: string, holds: boolean, figure: string) => void;

/** Each call has a page of its own. */
async function withBrowser(
  launch: () => Promise<Browser>,
  url: string,
  use: (call: Call) => Promise<void>,
): Promise<void> {
  const browser = await launch();
  try {
    await use(async (module, name, ...args) => {
      const { page } = await openPage(browser, url);
      try {
        return await inPage(page, module, name, ...args);
      } finally {
        await page.close();
      }
    });
  } finally {
    await browser.close();
  }
}

/** How soon the network is back after each fault, and how long no frame left. */
async function recovery(call: Call, find: Find): Promise<void> {
  for (const fault of PASSING_FAULTS) {
    const { backMs, leftMs, longestGapMs } = await call<Survival>('faults', 'survive', fault, WASM);
    find(
      `${Object.values(fault).join(' ')}: the network is back within ${RECOVERY_MS} ms, no gap of ${GAP_MS} ms`,
      backMs !== null && backMs <= RECOVERY_MS && longestGapMs < GAP_MS,
      `left after ${shown(leftMs)}, back after ${shown(backMs)}, longest gap ${shown(longestGapMs)}`,
    );
  }
  const strain = await call<Survival>('faults', 'strain', 500, WASM);
  find(
    `500 ms more a run: the network is left and comes back, no gap of ${SLOW_GAP_MS} ms`,
    strain.backMs !== null && strain.longestGapMs < SLOW_GAP_MS,
    `left after ${shown(strain.leftMs)}, longest gap ${shown(strain.longestGapMs)}`,
  );
  const { before, after } = await call<Awaited<ReturnType<typeof hiccup>>>('faults', 'hiccup', 90, WASM);
  find(
    '90 ms more a run for a quarter of a second: the lookahead stays',
    before > 100 && after > 100 && after < before + 60,
    `delay ${shown(before)} before, ${shown(after)} after`,
  );
}

/** Whether sound and picture leave together. */
async function sync(call: Call, find: Find): Promise<void> {
  const { network, passThrough } = await call<Awaited<ReturnType<typeof flashAndBeep>>>('audio', 'flashAndBeep', 8);
  find(
    `a flash and its beep leave within ${SYNC_MS} ms of each other`,
    Math.abs(network.offsetMs) <= SYNC_MS,
    `${shown(network.offsetMs)} apart, video ${shown(network.videoMs)} late, audio ${shown(network.audioMs)}`,
  );
  find(
    'the audio follows when the network is left: both less than 60 ms late',
    passThrough.videoMs < 60 && passThrough.audioMs < 60,
    `video ${shown(passThrough.videoMs)} late, audio ${shown(passThrough.audioMs)}`,
  );
  const remote = await call<Awaited<ReturnType<typeof remoteTrack>>>('audio', 'remoteTrack', true);
  find(
    `a remote track's audio is as late as it reports, within ${SYNC_MS} ms`,
    Math.abs(remote.audioMs - remote.toldMs) <= SYNC_MS,
    `${shown(remote.audioMs)}, reported ${shown(remote.toldMs)}`,
  );
}

async function syncInFirefox(call: Call, find: Find): Promise<void> {
  const { audioMs, toldMs, offsetMs } = await call<Awaited<ReturnType<typeof delayed>>>(
    'audio-firefox',
    'delayed',
    9,
    8,
  );
  find(
    `Firefox: the audio is as late as it reports, within ${SYNC_MS} ms`,
    Math.abs(audioMs - toldMs) <= SYNC_MS && Math.abs(offsetMs) <= SYNC_MS / 2,
    `${shown(audioMs)}, reported ${shown(toldMs)}, ${shown(offsetMs)} from the video by its own account`,
  );
}

/** A page that nobody sees goes on in real time. */
async function hidden(url: string, find: Find): Promise<void> {
  const browser = await launchChromium({ throttling: true });
  try {
    const { page } = await openPage(browser, url);
    await inPage(page, 'hidden', 'begin');
    const other = await openPage(browser, url);
    await other.page.bringToFront();
    await sleep(HIDDEN_MS);
    await page.bringToFront();
    const { came, due, byNetwork, longestGapMs, delayMs } = await inPage<Hidden>(page, 'hidden', 'end', 50);
    find(
      `a hidden page: nine frames in ten come, most by the network, no gap of ${GAP_MS} ms, no growing delay`,
      came > due * 0.9 && byNetwork > due * 0.85 && longestGapMs < GAP_MS && delayMs.last[0] < delayMs.first[0] + 100,
      `${came} of ${due} frames, ${byNetwork} by the network, longest gap ${shown(longestGapMs)}, ` +
        `delay p50 ${shown(delayMs.first[0])} at first and ${shown(delayMs.last[0])} at the end`,
    );
  } finally {
    await browser.close();
  }
}

function shown(ms: number | null): string {
  return ms === null ? 'never' : `${digits(ms)} ms`;
}
