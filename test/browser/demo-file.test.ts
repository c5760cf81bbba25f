import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ElementHandle, Page } from 'puppeteer-core';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { launchFirefox, openPage, type PageOpener } from '../support/browser.js';
import { mediaFiles } from '../support/media-files.js';
import { samplePsnr } from '../support/pictures.js';
import { openChromium } from '../support/shared-browser.js';

const files = mediaFiles();
let browser: PageOpener;
let downloads: string;

beforeAll(async () => {
  downloads = mkdtempSync(join(tmpdir(), 'mana-demo-'));
  browser = await openChromium();
});

afterAll(async () => {
  await browser?.close();
  rmSync(downloads, { recursive: true, force: true });
});

async function open(where = browser): Promise<{ page: Page; log: string[] }> {
  const opened = await openPage(where, `${inject('demo')}file.html`);
  await opened.page.select('[name="family"]', 'nano');
  return opened;
}

async function choose(page: Page, name: string): Promise<void> {
  const input = (await page.$('#file')) as ElementHandle<HTMLInputElement>;
  await input.uploadFile(files.path(name));
  await page.waitForSelector('#start:enabled', { timeout: 240_000 });
  await page.click('#start');
}

async function until(page: Page, selector: string, wanted: string): Promise<string> {
  await page.waitForFunction(
    (selected, pattern) => new RegExp(pattern).test(document.querySelector(selected)?.textContent ?? ''),
    { timeout: 240_000, polling: 100 },
    selector,
    wanted,
  );
  return page.$eval(selector, (element) => element.textContent ?? '');
}

const faults = (log: readonly string[]): string[] => log.filter((line) => line.startsWith('error'));

/** A film whose frames differ much from each other, and each from what is beside it little. */
function film(name: string, codecs: readonly string[]): void {
  files.make(
    '-f',
    'lavfi',
    '-i',
    'gradients=s=96x64:r=10:d=2:speed=0.4:seed=7',
    '-pix_fmt',
    'yuv420p',
    ...codecs,
    name,
  );
}

/** Mean difference between what the two videos show, in levels, at a time in seconds. */
function difference(page: Page, beforeS: number, afterS: number): Promise<number> {
  return page.evaluate(
    async (times) => {
      const pixels = await Promise.all(
        ['before', 'after'].map(async (id, i) => {
          const video = document.getElementById(id) as HTMLVideoElement;
          const seeked = new Promise((resolve) => video.addEventListener('seeked', resolve, { once: true }));
          video.currentTime = times[i] as number;
          await seeked;
          const context = new OffscreenCanvas(96, 64).getContext('2d') as OffscreenCanvasRenderingContext2D;
          context.drawImage(video, 0, 0, 96, 64);
          return context.getImageData(0, 0, 96, 64).data;
        }),
      );
      const [a, b] = pixels as [Uint8ClampedArray, Uint8ClampedArray];
      return a.reduce((sum, value, i) => sum + Math.abs(value - (b[i] as number)), 0) / (a.length * 0.75);
    },
    [beforeS, afterS],
  );
}

/** Moves the slider below the pictures. Answers with the times of both videos. */
async function scrub(page: Page): Promise<number[]> {
  await page.waitForSelector('#scrub:not([hidden])', { timeout: 240_000 });
  await page.$eval('#time', (element) => {
    (element as HTMLInputElement).value = '1.25';
    element.dispatchEvent(new Event('input', { bubbles: true }));
  });
  await until(page, '#clock', '^0:01 of 0:02$');
  return page.$$eval('.stage video', (videos) => videos.map((video) => (video as HTMLVideoElement).currentTime));
}

it('choose a file, see it done, compare both at the same moment, download it', async () => {
  film('Ein Film – Ü.mp4', ['-c:v', 'libx264', '-crf', '10']);
  const { page, log } = await open();
  const session = await page.createCDPSession();
  await session.send('Browser.setDownloadBehavior', {
    behavior: 'allow',
    ...(page.browserContext().id ? { browserContextId: page.browserContext().id as string } : {}),
    downloadPath: downloads,
    eventsEnabled: true,
  });
  const downloaded = new Promise<void>((resolve) => {
    session.on('Browser.downloadProgress', ({ state }) => state === 'completed' && resolve());
  });
  await choose(page, 'Ein Film – Ü.mp4');
  expect(await until(page, '#status', '^Done')).toMatch(/20 frames of 192 × 128 .* by mana-nano-x2 .* Move the border/);
  expect(await scrub(page)).toEqual([1.25, 1.25]);
  const same = await difference(page, 1.35, 1.35);
  expect(same).toBeLessThan(3);
  expect(await difference(page, 0.35, 1.35)).toBeGreaterThan(5 * same);
  await page.click('#download');
  await downloaded;
  const name = 'Ein Film – Ü-x2.mp4';
  const { readFileSync } = await import('node:fs');
  files.write('downloaded.mp4', readFileSync(join(downloads, name)));
  expect(files.streams('downloaded.mp4')[0]).toMatchObject({ width: 192, height: 128, nb_frames: '20' });
  expect(faults(log)).toEqual([]);
  await page.close();
});

it('the same in Firefox', async () => {
  film('fox.mp4', ['-c:v', 'libx264', '-crf', '10', '-colorspace', 'bt709', '-color_range', 'tv']);
  const firefox = await launchFirefox();
  try {
    const { page, log } = await open(firefox);
    await choose(page, 'fox.mp4');
    expect(await until(page, '#status', '^Done')).toMatch(/20 frames of 192 × 128 .* by mana-nano-x2/);
    expect(await scrub(page)).toEqual([1.25, 1.25]);
    const base64 = await page.$eval('#download', async (link) => {
      const bytes = new Uint8Array(await (await fetch((link as HTMLAnchorElement).href)).arrayBuffer());
      return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
    });
    files.write('fox-x2.mp4', Buffer.from(base64, 'base64'));
    expect(files.streams('fox-x2.mp4')[0]).toMatchObject({ width: 192, height: 128, nb_frames: '20' });
    files.make('-i', 'fox-x2.mp4', '-vf', 'scale=96:64:flags=area', '-c:v', 'ffv1', 'small.mkv');
    expect(samplePsnr(files.i420('small.mkv'), files.i420('fox.mp4'))).toBeGreaterThan(30);
    expect(faults(log)).toEqual([]);
  } finally {
    await firefox.close();
  }
});

it('an AVI goes through ffmpeg.wasm, which the demo’s own server has; its source cannot be shown', async () => {
  film('old.avi', ['-c:v', 'mpeg4', '-q:v', '2']);
  const { page } = await open();
  await choose(page, 'old.avi');
  expect(await until(page, '#status', '^Done')).toMatch(/20 frames .* only the result is shown/);
  expect(await page.$eval('#before', (element) => (element as HTMLElement).hidden)).toBe(true);
  expect(await page.$eval('#after', (element) => getComputedStyle(element).clipPath)).toBe('none');
  await page.close();
});

it('Cancel leaves nothing, and a file that is none is told in a sentence', async () => {
  files.make('-f', 'lavfi', '-i', 'testsrc2=s=160x90:r=25:d=20', '-c:v', 'libx264', '-pix_fmt', 'yuv420p', 'long.mp4');
  const { page, log } = await open();
  await choose(page, 'long.mp4');
  await until(page, '#numbers', '[1-9]\\d* of 500 frames');
  await page.click('#cancel');
  await until(page, '#status', '^Cancelled');
  files.write('letter.mp4', Buffer.from('Dear Sir or Madam, '.repeat(100)));
  await choose(page, 'letter.mp4');
  expect(await until(page, '#error', '.')).toBe('This file is no video, or it is damaged.');
  expect(faults(log)).toEqual([]);
  await page.close();
});
