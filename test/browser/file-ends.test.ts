import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import type { Ended, Outcome, Received } from '../pages/file.js';
import { upscaledInNode } from '../support/file-reference.js';
import { mediaFiles } from '../support/media-files.js';
import { testPages } from '../support/pages.js';
import { samplePsnr } from '../support/pictures.js';
import { openChromium } from '../support/shared-browser.js';

const pages = testPages(() => openChromium({ gpu: 'swiftshader' }));
const files = mediaFiles();
const BT709 = ['-colorspace', 'bt709', '-color_primaries', 'bt709', '-color_trc', 'bt709', '-color_range', 'tv'];

function film(name: string, seconds: number, size = '64x48'): string {
  const sources = [
    '-f',
    'lavfi',
    '-i',
    `testsrc2=s=${size}:r=25:d=${seconds}`,
    '-f',
    'lavfi',
    '-i',
    `sine=d=${seconds}`,
  ];
  const coding = ['-c:v', 'libx264', '-pix_fmt', 'yuv420p', '-crf', '12', '-g', '8', ...BT709, '-c:a', 'aac'];
  return files.make(...sources, ...coding, name).toString('base64');
}

it('an abort in the middle rejects with its reason and leaves nothing: no worker, no frame, no file', async () => {
  // That no worker and no frame is left is looked at for every page of these tests.
  const ended = await pages.run<Ended>('file', 'abortAt', film('long.mp4', 20), 'long.mp4', 5);
  expect(ended).toMatchObject({ same: true, left: [] });
});

it('a stream of bytes gets a whole file, a fragmented one', async () => {
  const source = film('in.mp4', 0.6);
  const { bytes, ...received } = await pages.run<Received>('file', 'intoStream', source, 'in.mp4');
  expect(received).toMatchObject({ closed: true, aborted: false, blob: false, error: '' });
  expect(received.pictures).toBeGreaterThan(0);
  files.write('streamed.mp4', Buffer.from(bytes, 'base64'));
  expect(files.each('streamed.mp4', 'packet', 'v', 'pts_time')).toHaveLength(15);
  expect(files.packetHashes('streamed.mp4', 'a')).toEqual(files.packetHashes('in.mp4', 'a'));
});

it('a stream that takes no more ends the work with an error that says why', async () => {
  const received = await pages.run<Received>('file', 'intoStream', film('in.mp4', 4), 'in.mp4', 2);
  expect(received).toMatchObject({ closed: false, blob: false });
  expect(received.error).toMatch(/^UpscaleError: The output could not be written: .*The disk is full/);
});

it('a handle’s file is written in place', async () => {
  const bytes = await pages.run<string>('file', 'intoHandle', film('in.mp4', 0.4), 'in.mp4');
  files.write('handle.mp4', Buffer.from(bytes, 'base64'));
  expect(files.each('handle.mp4', 'packet', 'v', 'pts_time')).toHaveLength(10);
});

it('engines that are lost in the middle cost no frame: the next backend begins some frames back', async () => {
  const source = film('lost.mp4', 0.64, '32x24');
  const options = { backend: 'webgpu-native', assets: { fileWorker: '/test/pages/file-faulty.worker.ts' } } as const;
  const lost = await pages.run<Outcome>('file', 'upscale', source, 'lost.mp4', options);
  expect(lost.error).toBeNull();
  expect(lost.file?.frames).toBe(16);
  const fallbacks = lost.events.filter(({ type }) => type === 'fallback');
  expect(fallbacks).toMatchObject([
    { from: 'webgpu-native', to: 'webgpu' },
    { from: 'webgpu', to: 'wasm' },
  ]);
  expect(lost.file?.backend).toMatch(/CPU/);
  files.write('lost-out.mp4', Buffer.from(lost.bytes, 'base64'));
  const times = (name: string): number[] =>
    files
      .each(name, 'packet', 'v', 'pts_time')
      .map(([time]) => Number(time))
      .sort((a, b) => a - b);
  expect(times('lost-out.mp4').map((time) => time.toFixed(3))).toEqual(
    times('lost.mp4').map((time) => time.toFixed(3)),
  );
  const wanted = await upscaledInNode(files.i420('lost.mp4'), { width: 32, height: 24 }, times('lost.mp4'), {
    matrix: 'bt709',
    fullRange: false,
  });
  const coded = files.i420('lost-out.mp4');
  const bytes = wanted[0]?.length as number;
  const quality = wanted.map((frame, i) => samplePsnr(coded.subarray(i * bytes, (i + 1) * bytes), frame));
  expect(Math.min(...quality)).toBeGreaterThan(25);
});

it('a stream is not closed but aborted where the work fails: no half file passes for a whole one', async () => {
  const half = Buffer.from('This is a letter, not a film. '.repeat(400)).toString('base64');
  const nothing = await pages.run<Received>('file', 'intoStream', half, 'noise.mp4');
  expect(nothing).toMatchObject({ closed: false, aborted: true });
  expect(nothing.error).toMatch(/cannot be read/);
});

it('a file at an address is read where it lies, a range at a time', async () => {
  film('Über See.mp4', 1);
  const data = readFileSync(files.path('Über See.mp4'));
  const asked: (string | undefined)[] = [];
  let broken = false;
  const server = createServer((request, response) => {
    const { range } = request.headers;
    const known = decodeURIComponent(request.url ?? '') === '/Über See.mp4';
    asked.push(range);
    response.setHeader('Access-Control-Allow-Origin', '*');
    response.setHeader('Access-Control-Allow-Headers', 'range');
    response.setHeader('Access-Control-Expose-Headers', 'content-range, content-length');
    if (request.method === 'OPTIONS') return response.end();
    if (!known) return response.writeHead(404).end();
    const [start = 0, end = data.length - 1] = (range?.match(/\d+/g) ?? []).map(Number);
    const last = Math.min(end, data.length - 1);
    // The line is cut in the middle of the second film.
    const half = Math.floor(data.length / 2);
    if (broken && start >= half) return response.destroy();
    response.writeHead(206, {
      'Content-Range': `bytes ${start}-${last}/${data.length}`,
      'Content-Length': last + 1 - start,
    });
    if (broken) return response.write(data.subarray(start, half), () => response.destroy());
    return response.end(data.subarray(start, last + 1));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  try {
    const { file, error } = await pages.run<Outcome>('file', 'upscaleAt', `${base}%C3%9Cber%20See.mp4`);
    expect(error).toBeNull();
    expect(file).toMatchObject({ frames: 25, name: 'Über See-x2.mp4' });
    expect(asked.some((range) => /^bytes=/.test(range ?? ''))).toBe(true);
    const lost = await pages.run<string>('file', 'errorFor', `${base}nothing.mp4`);
    expect(lost).toMatch(/^UpscaleError: .*404/);
    broken = true;
    const half = await pages.run<string>('file', 'errorFor', `${base}%C3%9Cber%20See.mp4`);
    expect(half).toMatch(/^UpscaleError: The file cannot be read/);
  } finally {
    server.close();
  }
});

it('wrong arguments, and a worker that is not there, are told in a sentence', async () => {
  expect(await pages.run<string>('file', 'errorFor', 'http://[')).toBe(
    'TypeError: file must be a File, a Blob or a URL; "http://[" is no URL.',
  );
  const nowhere = await pages.run<string>('file', 'errorFor', 'film.mp4', { assets: { fileWorker: '/nowhere.js' } });
  expect(nowhere).toMatch(/^UpscaleError: The file worker failed: .*options\.assets\.fileWorker/);
});
