import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { decode, hasPngSignature } from 'fast-png';
import type { Picture } from './picture.js';

const CLIPS = ['.mkv', '.mp4', '.y4m', '.avi', '.mov', '.webm'];
/** Characters of ffmpeg's complaints that are kept. */
const MOST_COMPLAINTS = 500;

/** A video to measure on. */
export interface Sequence {
  readonly name: string;
  /** The first frames, at most `most`. Every call reads them anew. */
  read(most: number): AsyncGenerator<Picture>;
}

/**
 * The sequences of a folder, by name: clips, which the ffmpeg command decodes, and folders of PNG frames.
 * @throws Error with a sentence when the folder cannot be read or holds none
 */
export async function sequencesOf(folder: string): Promise<Sequence[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => {
    throw new Error(`${folder} is not a folder that can be read.`);
  });
  const found: Sequence[] = [];
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(folder, entry.name);
    const extension = extname(entry.name);
    if (CLIPS.includes(extension)) {
      found.push({ name: basename(entry.name, extension), read: (most) => readClip(path, most) });
    } else if (entry.isDirectory()) {
      const pictures = (await readdir(path)).filter((name) => name.endsWith('.png')).sort();
      if (!pictures.length) continue;
      const paths = pictures.map((name) => join(path, name));
      found.push({ name: entry.name, read: (most) => readPictures(paths.slice(0, most)) });
    }
  }
  if (!found.length) throw new Error(`${folder} holds neither clips (${CLIPS.join(' ')}) nor folders of PNG frames.`);
  return found;
}

async function* readPictures(paths: readonly string[]): AsyncGenerator<Picture> {
  for (const path of paths) yield readPng(await readFile(path), path);
}

/** Decodes a PNG of 8 bits a channel; transparency is left out, grey becomes R'G'B'. */
function readPng(bytes: Uint8Array, path: string): Picture {
  if (!hasPngSignature(bytes)) throw new Error(`${path} is not a PNG file.`);
  const { width, height, data, depth, channels, palette } = decode(bytes);
  if (depth !== 8 || palette) throw new Error(`${path} must have 8 bits a channel and no palette.`);
  const rgb = new Uint8Array(width * height * 3);
  const [green, blue] = channels < 3 ? [0, 0] : [1, 2];
  for (let from = 0, to = 0; to < rgb.length; from += channels, to += 3) {
    rgb[to] = data[from] as number;
    rgb[to + 1] = data[from + green] as number;
    rgb[to + 2] = data[from + blue] as number;
  }
  return { width, height, data: rgb };
}

/** Decodes a clip. ffmpeg writes one PPM file after another, so that each frame tells its size. */
async function* readClip(path: string, most: number): AsyncGenerator<Picture> {
  const frames = ['-frames:v', `${most}`, '-fps_mode', 'passthrough'];
  const ppm = ['-pix_fmt', 'rgb24', '-c:v', 'ppm', '-f', 'image2pipe', '-'];
  const ffmpeg = spawn('ffmpeg', ['-v', 'error', '-noautorotate', '-i', path, ...frames, ...ppm], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let complaints = '';
  ffmpeg.stderr.on('data', (text: Buffer) => {
    complaints = `${complaints}${text}`.slice(0, MOST_COMPLAINTS);
  });
  const closed = once(ffmpeg, 'close').catch(() => {
    throw new Error('The ffmpeg command is missing: install FFmpeg, or give folders of PNG frames.');
  });
  // The error is thrown below, after the last frame.
  closed.catch(() => undefined);
  try {
    let bytes = Buffer.alloc(0);
    for await (const chunk of ffmpeg.stdout) {
      bytes = Buffer.concat([bytes, chunk as Buffer]);
      for (let frame = firstPpm(bytes); frame; frame = firstPpm(bytes)) {
        yield frame.picture;
        bytes = bytes.subarray(frame.bytes);
      }
    }
    const [code] = await closed;
    if (code !== 0) throw new Error(`ffmpeg cannot decode ${path}: ${complaints.trim()}`);
  } finally {
    ffmpeg.kill();
  }
}

/** The PPM file that `bytes` begin with, if all of it is there. */
function firstPpm(bytes: Buffer): { readonly picture: Picture; readonly bytes: number } | undefined {
  const header = /^P6\s(\d+)\s(\d+)\s255\s/.exec(bytes.toString('latin1', 0, 32));
  if (!header) return undefined;
  const [width, height] = [Number(header[1]), Number(header[2])];
  const end = header[0].length + width * height * 3;
  if (bytes.length < end) return undefined;
  return { picture: { width, height, data: new Uint8Array(bytes.subarray(header[0].length, end)) }, bytes: end };
}
