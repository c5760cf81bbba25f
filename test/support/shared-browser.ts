import puppeteer, { type Page, type Permission } from 'puppeteer-core';
import { inject } from 'vitest';
import type { ChromiumOptions, PageOpener } from './browser.js';

/** A context of a Chromium that all test files of a run share: what one file stores, no other one sees. */
export interface SharedChromium extends PageOpener {
  newPage(): Promise<Page>;
  overridePermissions(origin: string, permissions: Permission[]): Promise<void>;
  /** Closes the context and its pages. */
  close(): Promise<void>;
}

/** Opens a context of the Chromium that was started with these options, and starts it if this is the first. */
export async function openChromium(options: Omit<ChromiumOptions, 'camera'> = {}): Promise<SharedChromium> {
  const url = new URL(inject('browsers'));
  url.searchParams.set('options', JSON.stringify(options));
  const answer = await fetch(url);
  const text = await answer.text();
  if (!answer.ok) throw new Error(text);
  const browser = await puppeteer.connect({ browserWSEndpoint: text, protocolTimeout: 600_000 });
  const context = await browser.createBrowserContext();
  // Its window stays: one for each page would cost more than most pages.
  await context.newPage();
  return {
    newPage: () => context.newPage(),
    overridePermissions: (origin, permissions) => context.overridePermissions(origin, permissions),
    close: async () => {
      await context.close();
      await browser.disconnect();
    },
  };
}
