import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { load } from '../machine.js';
import { digits, percent, table } from '../table.js';
import { eventLoopDelay } from './event-loop.js';
import { commandLine, networkAlone } from './measure.js';
import { pageMemory, pageMemoryText } from './page-memory.js';

const USAGE = `npm run bench:file -- [options]
  --part name             only this part: speed, memory, page-memory or event-loop; default all
  --quick                 fewer frames
  --frames n              frames of page-memory; default 30000
  --json file             also write every figure to a file
  --help                  this text`;

const PARTS = ['speed', 'memory', 'page-memory', 'event-loop'];

/** 16:9 within the test picture, which has 960 pixels across. */
const CASES = [
  ['mana-live-x2', 320, 180, 120],
  ['mana-live-x2', 640, 360, 40],
  ['mana-nano-x2', 320, 180, 240],
  ['mana-nano-x2', 640, 360, 120],
] as const;

const PICTURE = fileURLToPath(new URL('../../test/fixtures/picture.jpg', import.meta.url));

interface Speed {
  readonly model: string;
  readonly size: string;
  readonly frames: number;
  /** Frames a second: decoding alone, the network alone, the command line in all, and FFmpeg's Lanczos. */
  readonly decode: number;
  readonly network: number;
  readonly all: number;
  readonly lanczos: number;
}

/** Runs the bench with the arguments of the command line. */
export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      part: { type: 'string' },
      quick: { type: 'boolean', default: false },
      frames: { type: 'string' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return console.log(USAGE);
  const { part, quick } = values;
  if (part !== undefined && !PARTS.includes(part)) throw new Error(`--part must be one of ${PARTS.join(', ')}.`);
  const frames = values.frames === undefined ? undefined : Number(values.frames);
  console.log(`${cpus()[0]?.model}, ${cpus().length} cores, Node ${process.version}, load ${load().toFixed(2)}\n`);
  const folder = mkdtempSync(join(tmpdir(), 'mana-bench-'));
  const all: Record<string, unknown> = {};
  try {
    const wanted = (name: string): boolean => part === undefined || part === name;
    if (wanted('speed')) {
      const rows: Speed[] = [];
      for (const [model, width, height, frames] of CASES) {
        const row = await speed(folder, model, width, height, quick ? Math.ceil(frames / 4) : frames);
        rows.push(row);
        console.error(`${row.model} ${row.size}: ${digits(row.network)} alone, ${digits(row.all)} in all`);
      }
      all['speed'] = rows;
      console.log(speedText(rows));
    }
    if (wanted('memory')) all['memory'] = await memory(folder, quick ? 2_000 : 10_000);
    if (wanted('page-memory')) {
      const found = await pageMemory(folder, frames ?? (quick ? 6_000 : 30_000));
      all['pageMemory'] = found;
      console.log(pageMemoryText(found));
      if (found.grows) process.exitCode = 1;
    }
    if (wanted('event-loop')) {
      const { idle, busy } = await eventLoopDelay(quick ? 60 : 300);
      all['eventLoop'] = { idle, busy };
      console.log(`Event loop delay, p99: idle ${idle.toFixed(1)} ms, with manaUpscale ${busy.toFixed(1)} ms`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  if (values.json) await writeFile(values.json, `${JSON.stringify(all, undefined, 2)}\n`);
}

/** A pan over a photograph, in which every tile changes in every frame. */
function pan(path: string, width: number, height: number, frames: number): void {
  const crop = `crop=${width}:${height}:x=abs(mod(n\\,200)-100)*2:y=abs(mod(n\\,120)-60),format=yuv420p`;
  const sound = ['-f', 'lavfi', '-i', `sine=duration=${frames / 25}`];
  ffmpeg(
    '-loop',
    '1',
    '-i',
    PICTURE,
    ...sound,
    '-vf',
    crop,
    '-r',
    '25',
    '-frames:v',
    `${frames}`,
    '-c:v',
    'libx264',
    '-crf',
    '14',
    '-c:a',
    'aac',
    '-shortest',
    path,
  );
}

function ffmpeg(...args: string[]): void {
  execFileSync('ffmpeg', ['-v', 'error', '-nostdin', '-y', ...args]);
}

async function speed(folder: string, model: string, width: number, height: number, frames: number): Promise<Speed> {
  const [input, output] = [join(folder, 'in.mp4'), join(folder, 'out.mp4')];
  pan(input, width, height, frames);
  const pictures = join(folder, 'in.yuv');
  ffmpeg('-i', input, '-f', 'rawvideo', pictures);
  const per = (startMs: number): number => (1000 * frames) / (performance.now() - startMs);
  const alone: number[] = [];
  const whole: number[] = [];
  // Turn by turn, so that what else the machine does slows both.
  for (let turn = 0; turn < 3; turn++) {
    alone.push(await networkAlone(pictures, width, height, model));
    whole.push((await commandLine(input, output, model)).framesPerSecond);
  }
  let start = performance.now();
  ffmpeg('-i', input, '-f', 'null', '-');
  const decode = per(start);
  start = performance.now();
  ffmpeg(
    '-i',
    input,
    '-vf',
    `scale=${2 * width}:${2 * height}:flags=lanczos`,
    '-c:v',
    'libx264',
    '-crf',
    '17',
    '-c:a',
    'copy',
    output,
  );
  const median = (list: number[]): number => list.sort((a, b) => a - b)[1] as number;
  return {
    model,
    size: `${width}x${height}`,
    frames,
    decode,
    network: median(alone),
    all: median(whole),
    lanczos: per(start),
  };
}

function speedText(rows: readonly Speed[]): string {
  const text = table<Speed>(
    [
      { name: 'model', text: ({ model }) => model, left: true },
      { name: 'size', text: ({ size }) => size, left: true },
      { name: 'frames', text: ({ frames }) => `${frames}` },
      { name: 'ffmpeg decodes', text: ({ decode }) => digits(decode) },
      { name: 'network alone', text: ({ network }) => digits(network) },
      { name: 'mana-upscale file', text: ({ all }) => digits(all) },
      { name: 'of the network', text: ({ all, network }) => percent(all / network) },
      { name: 'ffmpeg lanczos', text: ({ lanczos }) => digits(lanczos) },
    ],
    rows,
  );
  return `Frames a second on all cores, x264 crf 17 medium, medians of three\n${text}\n`;
}

async function memory(folder: string, frames: number): Promise<unknown> {
  const input = join(folder, 'long.mp4');
  pan(input, 64, 36, frames);
  const { megabytes } = await commandLine(input, join(folder, 'long-out.mp4'), 'mana-nano-x2', true);
  const fifth = (n: number): number => {
    const part = megabytes.slice(Math.floor((n * megabytes.length) / 5), Math.floor(((n + 1) * megabytes.length) / 5));
    return part.sort((a, b) => a - b)[Math.floor(part.length / 2)] ?? 0;
  };
  const fifths = [0, 1, 2, 3, 4].map(fifth);
  const peak = Math.max(...megabytes);
  console.log(
    `Resident memory over ${frames} frames of 64x36, medians of fifths: ${fifths.map((m) => m.toFixed(0)).join(', ')} MiB; peak ${peak.toFixed(0)} MiB`,
  );
  return { frames, fifths, peak };
}
