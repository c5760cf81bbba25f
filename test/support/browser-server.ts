import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser } from 'puppeteer-core';
import { type ChromiumOptions, launchChromium } from './browser.js';

/** A server that starts each kind of Chromium once, when a test file first asks for it. */
export interface BrowserServer {
  /** `GET ?options=JSON` with {@link ChromiumOptions} is answered with the browser's WebSocket address. */
  readonly url: string;
  /** Closes the browsers, too. */
  close(): Promise<void>;
}

/** @param camera a y4m file that plays as the camera of all browsers */
export async function serveBrowsers(camera: string): Promise<BrowserServer> {
  const browsers = new Map<string, Promise<Browser>>();
  const browserFor = (options: string): Promise<Browser> => {
    const running = browsers.get(options) ?? launchChromium({ ...(JSON.parse(options) as ChromiumOptions), camera });
    browsers.set(options, running);
    return running;
  };
  const server = createServer(async ({ url }, response) => {
    try {
      const options = new URL(url ?? '/', 'http://here').searchParams.get('options') ?? '{}';
      response.end((await browserFor(options)).wsEndpoint());
    } catch (error) {
      response.writeHead(500).end(error instanceof Error ? error.message : String(error));
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: async () => {
      server.close();
      for (const browser of await Promise.allSettled(browsers.values())) {
        if (browser.status === 'fulfilled') await browser.value.close();
      }
    },
  };
}
