import type { Browser } from 'puppeteer-core';
import { launchChromium, openPage } from '../test/support/browser.js';
import { startServer } from '../test/support/server.js';

/** A page that runs functions of the modules in `bench/pages`. */
export interface BenchPage {
  call<T>(module: string, name: string, ...args: unknown[]): Promise<T>;
  close(): Promise<void>;
}

/** A headless Chromium and the server of its pages. */
export interface Bench {
  readonly browser: Browser;
  /** A new page: empty, cross-origin isolated. */
  open(): Promise<BenchPage>;
}

/** Runs something with a browser and a server, and ends both. */
export async function withBench<T>(run: (bench: Bench) => Promise<T>): Promise<T> {
  const server = await startServer();
  const browser = await launchChromium();
  const open = async (): Promise<BenchPage> => {
    const { page, log } = await openPage(browser, server.url);
    return {
      call: async <T>(module: string, name: string, ...args: unknown[]): Promise<T> => {
        const code = `import('/bench/pages/${module}.ts').then((page) => page['${name}'](...${JSON.stringify(args)}))`;
        try {
          return (await page.evaluate(code)) as T;
        } catch (cause) {
          throw new Error([`${name} failed in the page: ${cause}`, ...log].join('\n'), { cause });
        }
      },
      close: () => page.close(),
    };
  };
  try {
    return await run({ browser, open });
  } finally {
    await browser.close();
    await server.close();
  }
}
