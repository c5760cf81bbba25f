import { describe, expect, it } from 'vitest';
import type { ColourMatrix, PlanarFormat, PlanarFrame } from '../../src/frame/frame.js';
import type { UpscaleStats } from '../../src/live/stats.js';
import type {
  endings,
  figures,
  loopback,
  manyFrames,
  missing,
  pulling,
  Received,
  resolutionSwitch,
  tooSlow,
  twoTracks,
} from '../pages/tracks.js';
import { CAMERA, cameraFixture } from '../support/camera.js';
import { shippedModel } from '../support/models.js';
import { testPages } from '../support/pages.js';
import { psnr } from '../support/pictures.js';
import { networkAlone, windowOf } from '../support/reference.js';

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
    const { input, output } = await run<Awaited<ReturnType<typeof loopback>>>('loopback', 60);
    const model = await shippedModel('mana-nano-x2');
    input.sort((a, b) => a.timestampUs - b.timestampUs);
    const first = input.findIndex(({ timestampUs }) => timestampUs === output[0]?.timestampUs);
    const checked: number[] = [];
    for (const frame of output) {
      const centre = input.findIndex(({ timestampUs }) => timestampUs === frame.timestampUs);
      // What the encoder remembers fades within a dozen frames; all of those went through the network, in one size.
      const from = centre - 12;
      const stream = input.slice(from, centre + 4);
      if (from < first || stream.length < 16 || checked.length === 5) continue;
      if (stream.some(({ width, height }) => width !== frame.width / 2 || height !== frame.height / 2)) continue;
      const [expected] = await networkAlone(model, stream.map(planar), [windowOf(12, stream.length, 3)]);
      checked.push(psnr(bytes(frame.data), expected as Uint8Array));
    }
    expect(checked).toHaveLength(5);
    expect(Math.min(...checked)).toBeGreaterThanOrEqual(45);
  });

  it('a source that changes size twice: one output size, rising timestamps, the right picture throughout', async () => {
    const {
      sizes,
      psnr: quality,
      timestamps,
      levels,
      input,
    } = await run<Awaited<ReturnType<typeof resolutionSwitch>>>('resolutionSwitch');
    expect(sizes).toEqual(['320x192']);
    expect(input).toEqual(expect.arrayContaining(['160', '80']));
    for (let i = 1; i < timestamps.length; i++) expect(timestamps[i]).toBeGreaterThan(timestamps[i - 1] as number);
    expect(timestamps.length).toBeGreaterThan(60);
    expect(levels.filter((level) => level === 'full').length).toBeGreaterThanOrEqual(2);
    // Half or a quarter of the truth's resolution: blurred, never wrong.
    expect(Math.min(...quality)).toBeGreaterThan(20);
  });

  it('300 frames: all come out, each is encoded once, nothing is left open and the heap is flat', {
    retry: 1,
  }, async () => {
    const { pushed, out, inOrder, heapGrowth, stats } = await run<Awaited<ReturnType<typeof manyFrames>>>(
      'manyFrames',
      300,
    );
    expect(out).toBe(pushed);
    expect(inOrder).toBe(true);
    expect(stats?.framesDropped).toEqual({ busy: 0, late: 0, unread: 0, failed: 0 });
    expect(stats?.framesByLevel.full).toBe(stats?.framesEncoded);
    expect(stats?.framesEncoded).toBeGreaterThanOrEqual(300);
    expect(heapGrowth).toBeLessThan(4 * 2 ** 20);
  });

  it('figures come about once a second', async () => {
    const { told, rising } = await run<Awaited<ReturnType<typeof figures>>>('figures');
    expect(told).toBeGreaterThanOrEqual(3);
    expect(told).toBeLessThanOrEqual(7);
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
      expect(levels).toEqual(['fast']);
      expect(backend).toBeNull();
      expect(quality).toBeGreaterThan(20);
    },
  );

  it('a network slower than the budget is tried beside the stream and never shown, and the reason is told', async () => {
    const { level, levelReason, framesByLevel, framesDelivered } =
      await run<Awaited<ReturnType<typeof tooSlow>>>('tooSlow');
    expect(level).toBe('fast');
    expect(levelReason).toMatch(/^The network takes \d+ ms for a frame: .+\.$/);
    expect(framesDelivered).toBeGreaterThan(30);
    expect(framesByLevel.fast).toBe(framesDelivered);
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
