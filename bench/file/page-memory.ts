import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inPage, launchChromium, openPage } from '../../test/support/browser.js';
import { startServer } from '../../test/support/server.js';
import { renderers } from '../processes.js';

/** Memory is looked at this often, in milliseconds. */
const LOOK_MS = 500;
/** More than this from the second quarter to the last one counts as growth, in MiB. */
const MOST_GROWTH_MIB = 24;

/** Memory of a page while it upscales a file. */
export interface PageMemory {
  readonly frames: number;
  /** Means of quarters of the file, in MiB: the page and its workers. */
  readonly quarters: readonly number[];
  readonly peak: number;
  readonly grows: boolean;
}

/** Upscales a long file of tiny frames in Chromium and watches the memory of all renderer processes. */
export async function pageMemory(folder: string, frames: number): Promise<PageMemory> {
  const path = join(folder, 'long-page.mp4');
  const seconds = frames / 25;
  execFileSync('ffmpeg', [
    ...['-v', 'error', '-nostdin', '-y', '-f', 'lavfi', '-i', `testsrc2=s=32x24:r=25:d=${seconds}`],
    ...['-f', 'lavfi', '-i', `sine=d=${seconds}`, '-c:v', 'libx264', '-preset', 'ultrafast'],
    ...['-pix_fmt', 'yuv420p', '-g', '250', '-c:a', 'aac', path],
  ]);
  const seen: { readonly frames: number; readonly mib: number }[] = [];
  const server = await startServer();
  const browser = await launchChromium();
  try {
    const { page } = await openPage(browser, server.url);
    let over = false;
    const work = inPage<number>(page, 'file', 'count', readFileSync(path).toString('base64'), 'long.mp4').finally(
      () => {
        over = true;
      },
    );
    while (!over) {
      await Promise.race([work, new Promise((resolve) => setTimeout(resolve, LOOK_MS))]);
      if (over) break;
      const done = (await page.evaluate('globalThis.framesDone ?? 0')) as number;
      const mib = [...(await renderers(browser)).values()].reduce((sum, { pss }) => sum + pss, 0);
      seen.push({ frames: done, mib });
    }
    const made = await work;
    if (made !== frames) throw new Error(`The page made ${made} frames of ${frames}.`);
  } finally {
    await browser.close();
    await server.close();
  }
  const quarters = [0, 1, 2, 3].map((n) => {
    const part = seen.filter(({ frames: at }) => at > (n * frames) / 4 && at <= ((n + 1) * frames) / 4);
    return part.reduce((sum, { mib }) => sum + mib, 0) / part.length;
  });
  const peak = Math.max(...seen.map(({ mib }) => mib));
  // What compiles and fills pools does so at first.
  const [, second = 0, , last = 0] = quarters;
  return { frames, quarters, peak, grows: !(last - second <= MOST_GROWTH_MIB) };
}

/** {@link PageMemory} in a line, with its verdict. */
export function pageMemoryText({ frames, quarters, peak, grows }: PageMemory): string {
  const means = quarters.map((mib) => mib.toFixed(0)).join(', ');
  const verdict = grows ? 'GROWS' : 'does not grow';
  return `Memory of a page over ${frames} frames of 32x24, means of quarters: ${means} MiB; peak ${peak.toFixed(0)} MiB: ${verdict}`;
}
