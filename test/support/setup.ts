import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { findBrowser } from '../../scripts/find-browser.mjs';
import { startDemo } from '../../scripts/start.mjs';
import { findAiortc } from './aiortc.js';
import { serveBrowsers } from './browser-server.js';
import { cameraFilm } from './camera.js';
import { needFfmpeg } from './ffmpeg.js';
import { startServer } from './server.js';

declare module 'vitest' {
  interface ProvidedContext {
    /** Address of an empty page on the server of test pages. */
    pages: string;
    /** Address of the demo. */
    demo: string;
    /** Address of the server that starts browsers. */
    browsers: string;
  }
}

/**
 * Starts what all test files share: the servers of test pages and of the demo, and the browsers. Before that it installs what tests need,
 * where it may: two tests that install at the same time would block each other.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  for (const find of [() => findBrowser('chromium'), () => findBrowser('firefox'), needFfmpeg, findAiortc]) {
    try {
      find();
    } catch {
      // The tests that need it fail, with the command that gets it.
    }
  }
  const folder = await mkdtemp(join(tmpdir(), 'mana-upscale-'));
  const camera = join(folder, 'camera.y4m');
  writeFileSync(camera, cameraFilm());
  const pages = await startServer();
  const demo = await startDemo({ port: 0 });
  const browsers = await serveBrowsers(camera);
  project.provide('pages', pages.url);
  project.provide('demo', demo.url);
  project.provide('browsers', browsers.url);
  return async () => {
    await browsers.close();
    await demo.close();
    await pages.close();
    await rm(folder, { recursive: true, force: true });
  };
}
