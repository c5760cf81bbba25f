import { readFileSync } from 'node:fs';
import type { Browser } from 'puppeteer-core';
import { expect, it } from 'vitest';
import { renderers } from '../../bench/processes.js';
import type { FileUpscaleOptions } from '../../src/media/file/options.js';
import { inPage } from '../support/browser.js';
import { mediaFiles } from '../support/media-files.js';
import { testPages } from '../support/pages.js';

const pages = testPages();
const files = mediaFiles();
/** Tens of thousands are for a run by hand: `FILE_FRAMES=30000 npx vitest run test/browser/file-memory.test.ts`. */
const FRAMES = Number(process.env['FILE_FRAMES'] ?? 6000);
const EVERY_MS = 500;

/** Memory of all pages and their workers, in MiB. */
async function rendererMiB(browser: Browser): Promise<number> {
  return [...(await renderers(browser)).values()].reduce((sum, { pss }) => sum + pss, 0);
}

it(`memory does not grow with the file: ${FRAMES} frames`, async () => {
  files.make(
    ...['-f', 'lavfi', '-i', `testsrc2=s=32x24:r=25:d=${FRAMES / 25}`, '-f', 'lavfi', '-i', `sine=d=${FRAMES / 25}`],
    ...['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p', '-g', '250', '-c:a', 'aac', 'long.mp4'],
  );
  const source = readFileSync(files.path('long.mp4')).toString('base64');
  const seen: { readonly frames: number; readonly mib: number }[] = [];
  const frames = await pages.use(async (page) => {
    let over = false;
    const work = inPage<number>(page, 'file', 'count', source, 'long.mp4', {} satisfies FileUpscaleOptions).finally(
      () => {
        over = true;
      },
    );
    while (!over) {
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
      if (over) break;
      const done = (await page.evaluate('globalThis.framesDone ?? 0')) as number;
      seen.push({ frames: done, mib: await rendererMiB(page.browser()) });
    }
    return work;
  });
  expect(frames).toBe(FRAMES);
  // What compiles and fills pools does so at first.
  const settled = seen.filter((mark) => mark.frames > FRAMES / 4);
  const mean = (marks: typeof seen): number => marks.reduce((sum, { mib }) => sum + mib, 0) / marks.length;
  const half = Math.floor(settled.length / 2);
  const [earlier, later] = [mean(settled.slice(0, half)), mean(settled.slice(half))];
  console.log(seen.map((mark) => `${mark.frames}: ${mark.mib.toFixed(0)} MiB`).join('\n'));
  expect(half).toBeGreaterThan(2);
  expect(later - earlier).toBeLessThan(24);
}, 1_800_000);
