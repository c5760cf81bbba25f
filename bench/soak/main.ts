import { writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { Browser } from 'puppeteer-core';
import { inPage, launchChromium, openPage } from '../../test/support/browser.js';
import { startServer } from '../../test/support/server.js';
import { load, machine, machineText } from '../machine.js';
import { renderers } from '../processes.js';
import { type Incident, incidentText, nextIncident, random, SIZES } from './chaos.js';
import type { SoakState } from './page.js';
import { timed } from './timed.js';
import { findingText, type Sample, verdict, verdictText } from './verdict.js';

const USAGE = `npm run soak -- [options]
  --minutes 10    how long faults strike at random; what must be on time is measured before that, in about three minutes
  --seed 1        of what happens when
  --calm          nothing happens
  --only timed    only what must be on time; --only random leaves it out
  --json file     also write every sample to a file
  --help          this text`;

/** From one look to the next, and from one incident to the next. */
const SAMPLE_MS = 5_000;
const INCIDENT_MS = { least: 6_000, most: 16_000 } as const;
const NOISE = /garbage collected without being closed|^error: (?!Failed to load resource)/;

/** Two tracks in Chromium on WASM, sizes that change and an engine that fails, for as long as is asked. */
export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: 'string', default: '10' },
      seed: { type: 'string', default: '1' },
      calm: { type: 'boolean', default: false },
      only: { type: 'string' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const minutes = Number(values.minutes);
  const parts = [undefined, 'timed', 'random'];
  if (values.help || !(minutes > 0) || !parts.includes(values.only)) {
    console.log(USAGE);
    process.exitCode = values.help ? 0 : 1;
    return;
  }
  const loadAtStart = load();
  const server = await startServer();
  const punctual =
    values.only === 'random' ? [] : await timed(server.url, (finding) => console.log(findingText(finding)));
  if (values.only === 'timed') {
    await server.close();
    if (punctual.some(({ holds }) => !holds)) process.exitCode = 1;
    return;
  }
  const browser = await launchChromium();
  try {
    const { page, log } = await openPage(browser, server.url);
    const call = <T>(name: string, ...more: unknown[]): Promise<T> =>
      inPage<T>(page, '../../bench/soak/page', name, ...more);
    await call('open', SIZES.slice(2));
    const samples: Sample[] = [];
    const incidents: { readonly atMs: number; readonly incident: Incident }[] = [];
    const next = random(Number(values.seed));
    const wait = (): number => INCIDENT_MS.least + next() * (INCIDENT_MS.most - INCIDENT_MS.least);
    const start = Date.now();
    let incidentMs = start + wait();
    let sampleMs = start + SAMPLE_MS;
    let slow = false;
    while (Date.now() < start + minutes * 60_000) {
      await sleep(Math.max(0, Math.min(values.calm ? sampleMs : incidentMs, sampleMs) - Date.now()));
      if (!values.calm && Date.now() >= incidentMs) {
        const incident = nextIncident(next, slow);
        slow = incident.type === 'fault' && incident.fault.type === 'slow' && incident.fault.ms > 0;
        const { atMs } = await call<{ atMs: number }>('now');
        incidents.push({ atMs, incident });
        if (incident.type === 'resize') await call('resize', incident.track, incident.size);
        else await call('inject', incident.fault);
        incidentMs = Date.now() + wait();
      }
      if (Date.now() >= sampleMs) {
        sampleMs += SAMPLE_MS;
        samples.push(await sample(browser, (Date.now() - start) / 1000, await call<SoakState>('state')));
        progress(samples, incidents.at(-1)?.incident, minutes);
      }
    }
    await call('close');
    await sleep(2000);
    const left = (await workers(browser)).length;
    const errors = log.filter((line) => NOISE.test(line));
    const result = verdict({ samples, incidents, errors, left }, punctual);
    process.stderr.write('\n');
    console.log(machineText(machine(await browser.version(), loadAtStart)));
    console.log(`soak     ${minutes} minutes, seed ${values.seed}, ${incidents.length} incidents`);
    console.log(verdictText(result));
    if (values.json) await writeFile(values.json, JSON.stringify({ samples, incidents, errors, result }));
    if (!result.passed) process.exitCode = 1;
  } finally {
    await browser.close();
    await server.close();
  }
}

async function sample(browser: Browser, seconds: number, state: SoakState): Promise<Sample> {
  const processes = [...(await renderers(browser)).values()];
  return {
    seconds,
    state,
    pss: Math.max(...processes.map(({ pss }) => pss)),
    workers: (await workers(browser)).length,
  };
}

/** Dedicated workers, those of workers included. */
async function workers(browser: Browser): Promise<string[]> {
  const session = await browser.target().createCDPSession();
  const { targetInfos } = await session.send('Target.getTargets', { filter: [{ type: 'worker' }] });
  await session.detach();
  return targetInfos.map(({ url }) => url);
}

function progress(samples: readonly Sample[], incident: Incident | undefined, minutes: number): void {
  const { seconds, state, pss } = samples.at(-1) as Sample;
  const levels = state.tracks.map(({ stats }) => stats.level).join(', ');
  const happened = incident ? `, last: ${incidentText(incident)}` : '';
  process.stderr.write(
    `\r${(seconds / 60).toFixed(1)} of ${minutes} minutes, ${levels}, ${pss.toFixed(0)} MiB${happened}`.padEnd(100),
  );
}
