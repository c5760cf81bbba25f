import { describe, expect, it } from 'vitest';
import type { ColourMatrix, PlanarFormat, PlanarFrame } from '../../src/frame/frame.js';
import type { UpscaleStats } from '../../src/live/stats.js';
import { byNetwork, type Level } from '../../src/pipeline/levels.js';
import type { loopback, Received } from '../pages/loopback.js';
import type {
  endings,
  figures,
  missing,
  OneAtATime,
  pulling,
  resolutionSwitch,
  tooSlow,
  twoTracks,
} from '../pages/tracks.js';
import { CAMERA, cameraFixture } from '../support/camera.js';
import { shippedModel } from '../support/models.js';
import { testPages } from '../support/pages.js';
import { psnr } from '../support/pictures.js';
import { networkAlone, windowOf } from '../support/reference.js';

/** What the encoder remembers fades within a dozen frames. */
const MEMORY = 12;
const LOOKAHEAD = 3;

const pages = testPages();

const run = <T>(name: string, ...args: unknown[]): Promise<T> => pages.run('tracks', name, ...args);

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'));

describe('upscaleTrack in Chromium', () => {
  it('a camera: the output’s pixels are the Python reference’s, ≥ 44 dB', async () => {
    const { frames, stats, width } = await run<{ frames: string[]; stats: UpscaleStats; width: number }>(
      'upscaledCamera',
      18,
    );
    expect(width).toBe(CAMERA.width * 2);
    expect(stats).toMatchObject({ backend: 'wasm', model: 'mana-nano-x2', level: 'full' });
    const golden = cameraFixture('golden.rgb');
    const size = golden.length / CAMERA.frames;
    const references = Array.from({ length: CAMERA.frames }, (_, i) => {
      const rgb = golden.subarray(i * size, (i + 1) * size);
      return Uint8Array.from({ length: (size / 3) * 4 }, (_, at) =>
        at % 4 === 3 ? 255 : (rgb[(at >> 2) * 3 + (at % 4)] as number),
      );
    });
    const matches = frames.map((frame) => {
      const quality = references.map((reference) => psnr(bytes(frame), reference));
      const best = quality.indexOf(Math.max(...quality));
      return { best, psnr: quality[best] as number };
    });
    // At first there are no frames to remember; the reference is that of a camera that has looped for long.
    const full = matches.slice(8);
    expect(Math.min(...full.map((match) => match.psnr))).toBeGreaterThanOrEqual(44);
    expect(new Set(full.map(({ best }) => best)).size).toBeGreaterThanOrEqual(6);
  });

  it('a WebRTC connection: each output is the network’s answer to the frames received around it, ≥ 45 dB', async () => {
    const { input, output } = await pages.run<Awaited<ReturnType<typeof loopback>>>('loopback', 'loopback', 40);
    const model = await shippedModel('mana-nano-x2');
    // A busy machine skips frames: those that came out are those that the network has seen.
    const made = new Map(output.map((frame) => [frame.timestampUs, frame]));
    const seen = input.filter(({ timestampUs }) => made.has(timestampUs)).sort((a, b) => a.timestampUs - b.timestampUs);
    const checked: number[] = [];
    for (let centre = MEMORY; centre + LOOKAHEAD < seen.length && checked.length < 5; centre++) {
      const stream = seen.slice(centre - MEMORY, centre + LOOKAHEAD + 1);
      if (!isOneScene(stream)) continue;
      const [expected] = await networkAlone(model, stream.map(planar), [windowOf(MEMORY, stream.length, LOOKAHEAD)]);
      const frame = made.get(stream[MEMORY]?.timestampUs ?? Number.NaN);
      checked.push(psnr(bytes(frame?.data ?? ''), expected as Uint8Array));
    }
    expect(checked).toHaveLength(5);
    expect(Math.min(...checked)).toBeGreaterThanOrEqual(45);
  });

  it('a source that changes size twice: one output size, rising timestamps, the right picture throughout', async () => {
    const {
      sizes,
      psnr: quality,
      timestamps,
      networkSizes,
    } = await run<Awaited<ReturnType<typeof resolutionSwitch>>>('resolutionSwitch');
    expect(sizes).toEqual(['320x192']);
    expect(networkSizes).toEqual(['160', '80', '160']);
    for (let i = 1; i < timestamps.length; i++) expect(timestamps[i]).toBeGreaterThan(timestamps[i - 1] as number);
    // Half or a quarter of the truth's resolution: blurred, never wrong.
    expect(Math.min(...quality)).toBeGreaterThan(20);
  });

  it('300 frames: all come out, each is encoded once, nothing is left open and the heap is flat', async () => {
    const { out, inOrder, heapGrowth, before, after } = await run<OneAtATime>('manyFrames', 300);
    // Those that waited come out at the end, too.
    expect(out).toBe(300 + LOOKAHEAD);
    expect(inOrder).toBe(true);
    expect(after.framesDropped).toEqual(before.framesDropped);
    expect(after.framesEncoded - before.framesEncoded).toBe(300);
    expect(after.framesByLevel.full - before.framesByLevel.full).toBe(300 + LOOKAHEAD);
    expect(heapGrowth).toBeLessThan(4 * 2 ** 20);
  });

  it('figures keep coming, once a second at most', async () => {
    const { seconds, rising } = await run<Awaited<ReturnType<typeof figures>>>('figures', 4);
    // Three whole seconds lie between four of them.
    expect(seconds).toBeGreaterThanOrEqual(3);
    expect(rising).toBe(true);
  });

  it('ends with its source, its user, its signal; refuses what cannot be', async () => {
    const result = await run<Awaited<ReturnType<typeof endings>>>('endings');
    expect(result['lastFrame']).toBe(29);
    expect(result).toMatchObject({
      contentHint: 'detail',
      sourceAfterStop: 'live',
      afterAbort: 'AbortError',
      endedSource: 'TypeError: track has ended already; it must be live.',
      badScale: 'TypeError: options.scale must be 2 or 4: no model for 7 ships yet.',
      supported: true,
      report: { supported: true, reason: '', path: 'streams', wasmThreads: true },
    });
  });

  it.each([
    ['model', /could not be fetched|not JSON/],
    ['worker', /^The engine worker failed: .*nowhere\.js/],
  ] as const)(
    'a %s that cannot be fetched: the picture goes on, fast-scaled, and the reason is told',
    async (what, why) => {
      const {
        reasons,
        levels,
        psnr: quality,
        backend,
      } = await run<Awaited<ReturnType<typeof missing>>>('missing', what);
      expect(reasons.length).toBeGreaterThan(0);
      expect(reasons[0]).toMatch(why);
      expect(levels.filter((level) => byNetwork(level as Level))).toEqual([]);
      expect(levels).toContain('fast');
      expect(backend).toBeNull();
      expect(quality).toBeGreaterThan(20);
    },
  );

  it('a network slower than the budget is tried beside the stream and never shown, and the reason is told', async () => {
    const { reason, stats } = await run<Awaited<ReturnType<typeof tooSlow>>>('tooSlow');
    expect(reason).toMatch(/^The network takes \d+ ms for a frame: .+\.$/);
    expect(byNetwork(stats.level)).toBe(false);
    const { full, short, small } = stats.framesByLevel;
    expect({ full, short, small }).toEqual({ full: 0, short: 0, small: 0 });
  });

  it('frames() ends when its signal is aborted', async () => {
    expect(await run('aborted')).toEqual({ error: 'AbortError', source: 'live' });
  });

  it('two tracks keep their own pictures, and one that ends does not disturb the other', async () => {
    const { psnr: quality, backend } = await run<Awaited<ReturnType<typeof twoTracks>>>('twoTracks');
    expect(quality).toHaveLength(24);
    expect(Math.min(...quality)).toBeGreaterThan(22);
    expect(backend).toBe('wasm');
  });

  it('frames() can be pulled and left; shareFrames() gives every subscriber each frame', async () => {
    const { pulled, sizes, shared, open } = await run<Awaited<ReturnType<typeof pulling>>>('pulling');
    expect(pulled).toBe(10);
    expect(sizes).toEqual(['96x64']);
    expect(shared[0]).toBeGreaterThan(5);
    expect(shared[1]).toBe(shared[0]);
    expect(open).toBe('ended');
  });
});

/** Whether the network took frames for one stream: of one size, and none more than a second after the one before. */
function isOneScene(frames: readonly Received[]): boolean {
  return frames.every(({ width, height, timestampUs }, i) => {
    const before = frames[i - 1];
    return !before || (width === before.width && height === before.height && timestampUs - before.timestampUs < 1e6);
  });
}

function planar(received: Received): PlanarFrame {
  return {
    format: received.format as PlanarFormat,
    width: received.width,
    height: received.height,
    data: bytes(received.data),
    planes: received.planes,
    timestampUs: received.timestampUs,
    colourSpace: { matrix: (received.matrix ?? 'bt709') as ColourMatrix, fullRange: received.fullRange ?? false },
  };
}
