import { createServer } from 'mana-upscale/server';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import type { SeenPicture } from '../pages/numbered-pictures.js';
import { findAiortc, watchWithAiortc } from '../support/aiortc.js';
import { inPage, launchFirefox, openPage, type PageOpener } from '../support/browser.js';
import { faults, forwardings, upscaledFaults } from '../support/seen.js';
import { openChromium } from '../support/shared-browser.js';
import { until } from '../support/whep-rig.js';

const TOKEN = 'a-secret';
/** Else only hardware does it, or a plugin that has to be downloaded: these make Firefox use the FFmpeg that Debian's has. */
const H264_IN_FIREFOX = {
  'media.webrtc.hw.h264.enabled': true,
  'gfx.blacklist.webrtc.hw.acceleration.h264': 1,
  'media.navigator.mediadatadecoder_h264_enabled': true,
};
/** Pictures of each viewer that are looked at, and how many are published a second: few, for a busy machine. */
const PICTURES = 30;
const FPS = 10;
/** What is published, and that upscaled. */
const SMALL = { width: 160, height: 90 } as const;
const LARGE = { width: 320, height: 180 } as const;

let python: string;
let chromium: PageOpener;
let server: Awaited<ReturnType<typeof createServer>>;

beforeAll(async () => {
  // First, because on Debian it comes with the FFmpeg that Firefox decodes H.264 with.
  python = findAiortc();
  chromium = await openChromium();
});
afterAll(() => chromium?.close());
beforeEach(async () => {
  server = await createServer({
    port: 0,
    logLevel: 'silent',
    auth: { publishToken: TOKEN, watchToken: TOKEN },
    // Firefox does not use loopback.
    media: { host: '0.0.0.0' },
    limits: { requestsPerSecond: 1000 },
    // However slow the machine is, the network makes the pictures.
    upscale: { lookahead: 0, workers: 1, budgetMs: 5000 },
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
  it('publishes to a server of another origin, and what it deletes is gone', async () => {
    const publisher = await openPage(chromium, inject('pages'));
    const viewer = await openPage(chromium, inject('pages'));
    try {
      const options = { trickle, fps: FPS, ...LARGE };
      const session = await inPage<string>(publisher.page, 'whip-client', 'ingest', at('/whip/a'), TOKEN, options);
      expect((await fetch(session)).status).toBe(204);
      await inPage(viewer.page, 'whep-http', 'watch', 'v', at('/whep/a?video=source'), TOKEN);
      const pictures = await inPage<SeenPicture[]>(viewer.page, 'whep', 'seen', 'v', PICTURES);
      expectSource(pictures, LARGE);
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

describe('Firefox', () => {
  let firefox: PageOpener;

  beforeAll(async () => {
    firefox = await launchFirefox(H264_IN_FIREFOX);
  });
  afterAll(() => firefox?.close());

  it.each(['vp8', 'h264'] as const)('shows %s as sent and upscaled', async (codec) => {
    const publisher = await openPage(chromium, inject('pages'));
    const viewer = await openPage(firefox, inject('pages'));
    try {
      await inPage(publisher.page, 'whep-http', 'publish', 'p', at('/whip/a'), TOKEN, { codec, fps: FPS, ...SMALL });
      for (const video of ['source', 'upscaled']) {
        // Where H.264 does not say what its colours are, this browser takes them for those of HD.
        const options = { matrix: codec === 'h264' ? 'bt709' : 'bt601' };
        await inPage(viewer.page, 'whep-http', 'watch', video, at(`/whep/a?video=${video}`), TOKEN, options);
      }
      const seen = (id: string) => inPage<SeenPicture[]>(viewer.page, 'whep', 'seen', id, PICTURES);
      expectSource(await seen('source'), SMALL);
      await until('the network', async () => (await streams())[0]?.level === 'full');
      await seen('upscaled');
      await expectUpscaled(await seen('upscaled'));
    } finally {
      await publisher.page.close();
      await viewer.page.close();
    }
  });
});

describe('aiortc', () => {
  it.each(['vp8', 'h264'] as const)('receives %s as sent and upscaled', async (codec) => {
    const publisher = await openPage(chromium, inject('pages'));
    try {
      await inPage(publisher.page, 'whep-http', 'publish', 'p', at('/whip/a'), TOKEN, { codec, fps: FPS, ...SMALL });
      const watch = (video: string) => watchWithAiortc(python, at(`/whep/a?video=${video}`), TOKEN, PICTURES);
      const [source, upscaled] = await Promise.all([watch('source'), watch('upscaled')]);
      expectSource(source, SMALL);
      await expectUpscaled(upscaled);
      // It has deleted its sessions.
      await until('the end', async () => (await streams())[0]?.level === null);
    } finally {
      await publisher.page.close();
    }
  });
});

function expectSource(
  pictures: readonly SeenPicture[],
  size: { readonly width: number; readonly height: number },
): void {
  expect(pictures.length).toBeGreaterThanOrEqual(PICTURES);
  expect(faults(pictures)).toEqual([]);
  expect(pictures.at(-1)).toMatchObject(size);
}

async function expectUpscaled(pictures: readonly SeenPicture[]): Promise<void> {
  expect(pictures.length).toBeGreaterThanOrEqual(PICTURES);
  const metrics = await (await fetch(at('/metrics'), { headers: { authorization: `Bearer ${TOKEN}` } })).text();
  expect(upscaledFaults(pictures, forwardings(metrics))).toEqual([]);
  expect(pictures).toContainEqual(expect.objectContaining(LARGE));
}
