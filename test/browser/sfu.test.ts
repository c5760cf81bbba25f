import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Page } from 'puppeteer-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { launchFirefox, openPage, type PageOpener } from '../support/browser.js';
import { openChromium } from '../support/shared-browser.js';

const TOKEN = 'a-secret';
/** What the test picture has at a width of 160: the demo's scene without the rows that number its frames. */
const SENT = [160, 82];

let example: ChildProcess;
let addresses: Record<'publish' | 'watch' | 'server', string>;
let exited: Promise<number | null>;
let browser: PageOpener;
/** On its way while the first tests run. */
let firefox: Promise<PageOpener>;
let publisher: Page;
let viewer: Page;
const log: string[] = [];

beforeAll(async () => {
  const script = fileURLToPath(new URL('../../examples/sfu/run.mjs', import.meta.url));
  const options = ['--port', '0', '--server-port', '0', '--token', TOKEN];
  example = spawn(process.execPath, [script, ...options], { stdio: ['ignore', 'pipe', 'inherit'] });
  exited = new Promise((resolve) => example.once('exit', resolve));
  let printed = '';
  const started = new Promise<void>((resolve, reject) => {
    example.stdout?.on('data', (data) => {
      printed += data;
      if (printed.includes('Server:')) resolve();
    });
    exited.then(() => reject(new Error('The example has ended.')));
  });
  browser = await openChromium();
  await started;
  firefox = launchFirefox();
  firefox.catch(() => undefined);
  const address = (name: string) => new RegExp(`${name}: +(http\\S+)`).exec(printed)?.[1] ?? '';
  addresses = { publish: address('Publish'), watch: address('Watch'), server: address('Server') };
});

afterAll(async () => {
  await browser?.close();
  await firefox?.then(
    (opened) => opened.close(),
    () => undefined,
  );
  example?.kill('SIGKILL');
});

/** A UDP port that nobody has. */
async function freePort(): Promise<number> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  return port;
}

/** Opens a page of the example at a size that people have. */
async function open(address: string): Promise<Page> {
  const opened = await openPage(browser, address);
  await opened.page.setViewport({ width: 1280, height: 900 });
  opened.page.on('close', () => log.push(...opened.log));
  return opened.page;
}

const text = (page: Page, id: string): Promise<string> => page.$eval(`#${id}`, (element) => element.textContent ?? '');

/** Waits until a page says something. */
function says(page: Page, id: string, wanted: RegExp): Promise<void> {
  return expect.poll(() => text(page, id), { timeout: 240_000, interval: 50 }).toMatch(wanted);
}

async function enterToken(page: Page, token: string): Promise<void> {
  await page.$eval('[name="token"]', (field) => {
    (field as HTMLInputElement).value = '';
  });
  await page.type('[name="token"]', token);
  await page.click('#go');
}

/** For each upscaled picture, what it has in common with the pictures as sent, in decibels. */
interface Likeness {
  /** With the one that is most like it, which that was, and how many were shown between the two. */
  readonly best: number;
  readonly index: number;
  readonly apart: number;
  /** With the one that is least like it. */
  readonly worst: number;
}

/**
 * Looks at both videos of the watch page until each has shown `count` pictures: luma at the size that was sent, the upscaled
 * picture halved by means of four pixels.
 */
function compare(page: Page, count: number): Promise<Likeness[]> {
  return page.evaluate(async (least) => {
    interface Picture {
      readonly luma: Float32Array;
      /** Pictures that the other video had shown by then. */
      readonly others: number;
    }
    const shown: { before: Picture[]; after: Picture[] } = { before: [], after: [] };
    const enough = (): boolean => shown.before.length >= least && shown.after.length >= least;
    const { videoWidth: width, videoHeight: height } = document.getElementById('before') as HTMLVideoElement;
    const look = async (id: 'before' | 'after', other: 'before' | 'after'): Promise<void> => {
      const video = document.getElementById(id) as HTMLVideoElement;
      const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true })!;
      context.imageSmoothingQuality = 'low';
      while (!enough()) {
        await new Promise((resolve) => video.requestVideoFrameCallback(resolve));
        context.drawImage(video, 0, 0, width, height);
        const { data } = context.getImageData(0, 0, width, height);
        const luma = new Float32Array(width * height).map(
          (_, i) => 0.299 * data[4 * i]! + 0.587 * data[4 * i + 1]! + 0.114 * data[4 * i + 2]!,
        );
        shown[id].push({ luma, others: shown[other].length });
      }
    };
    await Promise.race([look('before', 'after'), look('after', 'before')]);
    const decibels = (one: Float32Array, other: Float32Array) => {
      const squares = one.reduce((sum, value, i) => sum + (value - other[i]!) ** 2, 0);
      return Math.min(99, 10 * Math.log10(255 ** 2 / (squares / one.length)));
    };
    return shown.after.map(({ luma, others }) => {
      const all = shown.before.map((other, index) => ({ like: decibels(luma, other.luma), index }));
      all.sort((one, other) => other.like - one.like);
      const { like: best, index } = all[0]!;
      return { best, index, apart: index - others, worst: all.at(-1)!.like };
    });
  }, count);
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

/** One moving picture in both forms. What one side shows the other may show a second later, after the last look at it. */
function expectAlike(likeness: readonly Likeness[]): void {
  // Two coders and a network lie between them, some 31 dB; another moment of the scene has 12 to 20.
  const best = likeness.map((one) => one.best).toSorted((a, b) => b - a);
  expect(best[best.length >> 2], `${best.map((one) => one.toFixed(1))}`).toBeGreaterThan(26);
  expect(median(likeness.map(({ worst }) => worst))).toBeLessThan(20);
  expect(new Set(likeness.map(({ index }) => index)).size).toBeGreaterThan(likeness.length / 4);
}

it('says what is missing: a stream, a token, a server', async () => {
  viewer = await open(addresses.watch);
  await says(viewer, 'error', /asks for a token: enter it, and press Watch/);
  await enterToken(viewer, 'wrong');
  await says(viewer, 'error', /does not know this token/);
  await enterToken(viewer, TOKEN);
  await says(viewer, 'status', /^Nobody publishes “demo” yet\. Looking again/);
  publisher = await open(`${addresses.publish}?server=http://127.0.0.1:9`);
  await publisher.click('#go');
  await says(publisher, 'error', /^No server answers at http:\/\/127\.0\.0\.1:9/);
  await publisher.close();
  publisher = await open(addresses.publish);
  await publisher.click('#go');
  await says(publisher, 'error', /asks for a token: enter it, and press Publish/);
});

it('what one page publishes the other shows twice: as sent, and twice as large, the same moving picture', async () => {
  await publisher.select('[name="width"]', String(SENT[0]));
  await enterToken(publisher, TOKEN);
  await says(publisher, 'status', /^Live as “demo”\.$/);
  await says(viewer, 'status', /^Watching “demo”\.$/);
  await says(viewer, 'source-size', new RegExp(`^${SENT[0]} × ${SENT[1]}$`));
  await says(viewer, 'upscaled-size', new RegExp(`^${2 * SENT[0]!} × ${2 * SENT[1]!}$`));
  // A page in the background is told of no pictures.
  await viewer.bringToFront();
  expectAlike(await compare(viewer, 45));
  // The browser holds the picture as sent back, so in the end both sides of the line show about the same moment.
  const apart = async () => Math.abs(median((await compare(viewer, 45)).map((one) => one.apart)));
  await expect.poll(apart).toBeLessThan(12);
});

it('says what makes the picture, and how much later it comes', async () => {
  await says(viewer, 'level', /\((full|short|small|fast)\)$/);
  await says(viewer, 'delay', /^[1-9]\d*$/);
  await says(viewer, 'upscaled-fps', /^[1-9]/);
  expect(await text(viewer, 'viewers')).toBe('1 as sent, 1 upscaled');
});

it('shows the same in Firefox', async () => {
  const { page, log: lines } = await openPage(await firefox, addresses.watch);
  await enterToken(page, TOKEN);
  await says(page, 'status', /^Watching “demo”\.$/);
  expectAlike(await compare(page, 45));
  await page.close();
  expect(lines.filter((line) => line.startsWith('error'))).toEqual([]);
});

it('bridges carry a stream out of the server as plain RTP, and in again', async () => {
  const script = fileURLToPath(new URL('../../examples/sfu/bridge.mjs', import.meta.url));
  const bridges: ChildProcess[] = [];
  const port = await freePort();
  const bridge = (...options: string[]) => {
    const child = spawn(process.execPath, [script, ...options, '--token', TOKEN], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    bridges.push(child);
    return new Promise<void>((resolve, reject) => {
      child.stdout?.on('data', (data) => String(data).includes('connected.') && resolve());
      child.once('exit', () => reject(new Error('The bridge has ended.')));
    });
  };
  const second = await open(`${addresses.watch}?stream=second`);
  try {
    await Promise.all([
      bridge('rtp-to-whip', `${port}`, `${addresses.server}/whip/second`),
      bridge('whep-to-rtp', `${addresses.server}/whep/demo?video=source`, `127.0.0.1:${port}`),
    ]);
    await enterToken(second, TOKEN);
    await says(second, 'status', /^Watching “second”\.$/);
    await says(second, 'source-size', new RegExp(`^${SENT[0]} × ${SENT[1]}$`));
    expectAlike(await compare(second, 45));
  } finally {
    await second.close();
    for (const child of bridges) child.kill('SIGTERM');
    await Promise.all(bridges.map((child) => child.exitCode ?? once(child, 'exit')));
  }
  expect(bridges.map(({ exitCode }) => exitCode)).toEqual([0, 0]);
});

it('a session ends with its page, and all of them with the process', async () => {
  const sessions = async () => {
    const metrics = await (await fetch(new URL('/metrics', addresses.server))).text();
    return [...metrics.matchAll(/^mana_sessions\{role="\w+"\} (\d)$/gm)].map(([, count]) => Number(count));
  };
  expect(await sessions()).toEqual([1, 2]);
  await viewer.close();
  await expect.poll(sessions).toEqual([1, 0]);
  await publisher.click('#go');
  await says(publisher, 'status', /^Stopped\.$/);
  await expect.poll(sessions).toEqual([0, 0]);
  await publisher.close();
  // What a server refuses, a browser calls a resource that failed to load.
  expect(log.filter((line) => /^error: (?!Failed to load resource)/.test(line))).toEqual([]);
  example.kill('SIGINT');
  expect(await exited).toBe(0);
});
