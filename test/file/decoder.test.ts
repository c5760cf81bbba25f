import { join } from 'node:path';
import { expect, it } from 'vitest';
import { noDamage } from '../../src/node/file/damage.js';
import { decodePictures } from '../../src/node/file/decoder.js';
import { loadFfmpeg } from '../../src/node/file/ffmpeg.js';
import { Input } from '../../src/node/file/input.js';
import { ffmpeg, newFolder } from '../support/file-rig.js';

const folder = newFolder();

it('decoding is ended by its signal, also where nobody takes its pictures', async () => {
  const path = join(folder, 'in.mp4');
  ffmpeg('-f', 'lavfi', '-i', 'testsrc2=size=64x48:rate=25:duration=4', '-c:v', 'libx264', path);
  const input = await Input.open(await loadFfmpeg(), path);
  const controller = new AbortController();
  let decoded = 0;
  const all = async (): Promise<void> => {
    const decoding = { threads: 1, maxPixels: 10_000, signal: controller.signal };
    for await (const _ of decodePictures(input, noDamage(), decoding)) if (++decoded === 3) controller.abort();
  };
  try {
    await expect(all()).rejects.toMatchObject({ name: 'FileError', code: 'interrupted' });
    expect(decoded).toBeLessThan(10);
  } finally {
    await input.close();
  }
});
