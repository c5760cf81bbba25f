import type { Page } from 'puppeteer-core';
import { type Gpu, launchChromium, openPage } from '../../test/support/browser.js';

/** WebGPU adapters that compute on the processor. */
export const SOFTWARE = ['swiftshader', 'llvmpipe'] as const satisfies readonly Gpu[];

/**
 * Runs the page to its end in a headless Chromium.
 * @param query what the page is to run, see `settings.ts`
 * @param onStatus called with each sentence that the page shows meanwhile
 * @returns the text that a visitor would copy
 * @throws Error with what the page says where it failed
 */
export async function runHeadless(
  url: string,
  gpu: Gpu,
  query: URLSearchParams,
  onStatus: (sentence: string) => void = () => undefined,
): Promise<string> {
  const browser = await launchChromium({ gpu });
  try {
    const { page, log } = await openPage(browser, `${url}?${query}`);
    await page.exposeFunction('__status', onStatus);
    await page.evaluate(() => {
      const status = document.getElementById('status') as HTMLElement;
      const told = globalThis as unknown as { __status(sentence: string): void };
      new MutationObserver(() => told.__status(status.textContent ?? '')).observe(status, { childList: true });
    });
    await runPage(page);
    const [state, error, text] = await Promise.all([
      page.$eval('body', (body) => body.dataset['state']),
      page.$eval('#error', (line) => line.textContent ?? ''),
      page.$eval('#text', (block) => block.textContent ?? ''),
    ]);
    if (state !== 'done') throw new Error([error || 'The page stopped.', ...log].join('\n'));
    return text;
  } finally {
    await browser.close();
  }
}

/** Presses Run as soon as the page lets one, and waits until it is done or has failed. */
export async function runPage(page: Page, timeoutMs = 0): Promise<void> {
  const until = (pattern: string): Promise<unknown> =>
    page.waitForFunction(
      (states) => new RegExp(states).test(document.body.dataset['state'] ?? ''),
      { timeout: timeoutMs, polling: 100 },
      pattern,
    );
  await until('^(ready|failed)$');
  if (await page.$('#run:enabled')) await page.click('#run');
  await until('^(done|failed)$');
}
