import { setTimeout as sleep } from 'node:timers/promises';
import type { Page } from 'puppeteer-core';
import { afterAll, beforeAll, expect, inject } from 'vitest';
import { inPage, openPage, type PageOpener } from './browser.js';
import { openChromium } from './shared-browser.js';

/** The longest that a worker of these tests is at something. */
const BUSY_MS = 10_000;

/**
 * What a browser says when a page fails. A resource that is missing is no failure, and neither is a frame that was left to the
 * garbage collector: Chromium itself loses one now and then, as `test/pages/lost-frames.ts` shows. That we close all of ours is
 * what `teardown.test.ts` proves.
 */
const FAULTS = /^error: (?!Failed to load resource|A VideoFrame was garbage collected)/;

/** Pages in a context of the shared Chromium, or in another browser, from before a file's first test until after its last. */
export interface TestPages {
  /** Address of an empty page. */
  readonly url: string;
  /** Opens a page, which the caller closes. */
  open(): ReturnType<typeof openPage>;
  /** Gives a page to `work`, gives back what that returns, and sees to it that nothing is left: no worker, no error. */
  use<T>(work: (page: Page) => Promise<T>): Promise<T>;
  /** {@link use} with one exported function of a module of `test/pages`. */
  run<T>(module: string, name: string, ...args: unknown[]): Promise<T>;
}

/** Sets up {@link TestPages} for the tests of the calling file. */
export function testPages(launch: () => Promise<PageOpener> = openChromium): TestPages {
  const url = inject('pages');
  let browser: PageOpener;
  beforeAll(async () => {
    browser = await launch();
  });
  afterAll(() => browser?.close());
  const use = async <T>(work: (page: Page) => Promise<T>): Promise<T> => {
    const { page, log } = await openPage(browser, url);
    try {
      const result = await work(page);
      await expect.poll(() => workersOf(page), { timeout: 240_000 }).toEqual([]);
      expect(log.filter((line) => FAULTS.test(line))).toEqual([]);
      return result;
    } finally {
      await page.close();
    }
  };
  return {
    url,
    open: () => openPage(browser, url),
    use,
    run: (module, name, ...args) => use((page) => inPage(page, module, name, ...args)),
  };
}

/**
 * The workers of a page. The driver sometimes lists one that has ended, if that was just when it was looked at: it refuses to
 * be asked, or never answers. One that lives answers at once, or when it has done what it is at.
 */
async function workersOf(page: Page): Promise<string[]> {
  const names = page.workers().map(async (worker) => {
    const answer = worker.evaluate('0').then(
      () => [worker.url()],
      () => [],
    );
    return Promise.race([answer, sleep(BUSY_MS, [] as string[])]);
  });
  return (await Promise.all(names)).flat();
}
