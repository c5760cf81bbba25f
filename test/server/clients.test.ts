import { createServer } from 'mana-upscale/server';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { SeenPicture } from '../pages/whep.js';
import { inPage, openPage } from '../support/browser.js';
import { faults, openBrowser, until, type WhepBrowser } from '../support/whep-rig.js';

const TOKEN = 'a-secret';
const SMALL = { width: 160, height: 90 } as const;

let chromium: WhepBrowser;
let server: Awaited<ReturnType<typeof createServer>>;

beforeAll(async () => {
  chromium = await openBrowser();
});
afterAll(() => chromium.close());
beforeEach(async () => {
  server = await createServer({
    port: 0,
    logLevel: 'silent',
    auth: { publishToken: TOKEN, watchToken: TOKEN },
    upscale: { lookahead: 0, workers: 1 },
  });
});
afterEach(() => server.close({ drainMs: 0 }));

const at = (path: string): string => new URL(path, server.url).href;

/** What is published, as the server says it. */
async function streams(): Promise<{ name: string; codec: string; level: string | null }[]> {
  const response = await fetch(at('/api/streams'), { headers: { authorization: `Bearer ${TOKEN}` } });
  return ((await response.json()) as { streams: Awaited<ReturnType<typeof streams>> }).streams;
}

describe.each([
  ['with all candidates in its offer', false],
  ['with candidates that come later', true],
] as const)('@eyevinn/whip-web-client %s', (_, trickle) => {
  it('publishes to a server of another origin, and what it deletes is gone', { retry: 1 }, async () => {
    const publisher = await openPage(chromium.browser, chromium.server.url);
    const viewer = await openPage(chromium.browser, chromium.server.url);
    try {
      const options = { trickle, width: 320, height: 180 };
      const session = await inPage<string>(publisher.page, 'whip-client', 'ingest', at('/whip/a'), TOKEN, options);
      expect((await fetch(session)).status).toBe(204);
      await inPage(viewer.page, 'whep-http', 'watch', 'v', at('/whep/a?video=source'), TOKEN);
      const pictures = await inPage<SeenPicture[]>(viewer.page, 'whep', 'seen', 'v', 60);
      expect(pictures.length).toBeGreaterThanOrEqual(60);
      expect(faults(pictures)).toEqual([]);
      expect(pictures.at(-1)).toMatchObject({ width: 320, height: 180 });
      expect(await streams()).toMatchObject([{ name: 'a', codec: 'vp8' }]);
      const trickled = await inPage<number[]>(publisher.page, 'whip-client', 'trickleAnswers');
      expect(new Set(trickled)).toEqual(new Set(trickle ? [204] : []));
      await inPage(publisher.page, 'whip-client', 'destroy');
      expect((await fetch(session)).status).toBe(404);
      expect(await streams()).toEqual([]);
    } finally {
      await publisher.page.close();
      await viewer.page.close();
    }
  });
});
