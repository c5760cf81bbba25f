import { readFileSync } from 'node:fs';

/** What Chromium's camera shows: eight real frames, five a second, in a loop. */
export const CAMERA = { width: 96, height: 64, frames: 8 } as const;

/** A file of `test/fixtures/camera`. */
export function cameraFixture(name: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(`../fixtures/camera/${name}`, import.meta.url)));
}

/** The camera's frames as a y4m file. */
export function cameraFilm(): Buffer {
  const { width, height, frames } = CAMERA;
  const pixels = cameraFixture('frames.i420');
  const bytes = pixels.length / frames;
  const parts = [Buffer.from(`YUV4MPEG2 W${width} H${height} F5:1 Ip A1:1 C420mpeg2\n`)];
  for (let i = 0; i < frames; i++) {
    parts.push(Buffer.from('FRAME\n'), Buffer.from(pixels.subarray(i * bytes, (i + 1) * bytes)));
  }
  return Buffer.concat(parts);
}
