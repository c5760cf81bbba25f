import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import type { Outcome } from '../pages/file.js';
import { launchFirefox } from '../support/browser.js';
import { picturesOf, run, timesOf } from '../support/file-rig.js';
import { mediaFiles } from '../support/media-files.js';
import { testPages } from '../support/pages.js';
import { samplePsnr } from '../support/pictures.js';

const pages = testPages(launchFirefox);
const files = mediaFiles();
const BT709 = ['-colorspace', 'bt709', '-color_primaries', 'bt709', '-color_trc', 'bt709', '-color_range', 'tv'];

const times = (name: string, stream: string): number[] => timesOf(files.path(name), stream);

it.each([
  ['film.mp4', 'mp4', ['-c:v', 'libx264', '-crf', '12', '-bf', '2', '-c:a', 'aac']],
  ['film.webm', 'webm', ['-c:v', 'libvpx-vp9', '-c:a', 'libopus']],
])('%s in Firefox: the network’s pictures, at the same times, with the same sound', async (name, container, codecs) => {
  files.make(
    ...['-f', 'lavfi', '-i', 'testsrc2=s=64x48:r=25:d=0.48', '-f', 'lavfi', '-i', 'sine=d=0.48:r=48000'],
    ...['-pix_fmt', 'yuv420p', ...codecs, ...BT709, name],
  );
  const source = readFileSync(files.path(name)).toString('base64');
  const { file, error, made, bytes, left } = await pages.run<Outcome>('file', 'upscale', source, name, {}, true);
  expect(error).toBeNull();
  expect(file).toMatchObject({ frames: 12, container, size: { width: 128, height: 96 } });
  expect(left).toEqual([]);
  files.write('out', Buffer.from(bytes, 'base64'));
  const off = times('out', 'v').map((time, i) => Math.abs(time - (times(name, 'v')[i] as number)));
  expect(off).toHaveLength(12);
  expect(Math.max(...off)).toBeLessThan(1e-3);
  expect(files.packetHashes('out', 'a')).toEqual(files.packetHashes(name, 'a'));
  // What the command line makes of it.
  expect(
    (await run(['file', name, '-o', 'wanted.y4m', '--overwrite', '--model', 'mana-nano-x2'], files.path(''))).code,
  ).toBe(0);
  const wanted = picturesOf(files.path('wanted.y4m'), (128 * 96 * 3) / 2);
  const quality = made.map((frame, i) => samplePsnr(Buffer.from(frame, 'base64'), wanted[i] as Uint8Array));
  const coded = files.i420('out');
  const length = (128 * 96 * 3) / 2;
  const loss = wanted.map((frame, i) => samplePsnr(coded.subarray(i * length, (i + 1) * length), frame));
  expect(Math.min(...loss)).toBeGreaterThan(28);
  expect(quality).toHaveLength(12);
  expect(Math.min(...quality)).toBeGreaterThan(45);
});
