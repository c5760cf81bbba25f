import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import type { Backend, Engine, EngineStream } from '../../src/engine/engine.js';
import { OrtCpuEngine } from '../../src/engine/ort/cpu.js';
import { UpscaleError } from '../../src/frame/errors.js';
import { loadFfmpeg } from '../../src/node/file/ffmpeg.js';
import { FileEngines } from '../../src/node/file/file-engines.js';
import { runJob } from '../../src/node/file/run-job.js';
import { engineMemory, type MemoryFrame } from '../../src/node/memory-frame.js';
import { checkNodeOptions } from '../../src/node/options.js';
import type { NodeAv } from '../../src/server/codecs/node-av.js';
import { ffmpeg, newFolder, picturesOf, timesOf } from '../support/file-rig.js';
import { wasmEngine } from '../support/models.js';

const folder = newFolder();
const at = (name: string): string => join(folder, name);
const FRAMES = 20;
const BYTES = 96 * 64 * 1.5;
const settings = checkNodeOptions({ model: 'mana-nano-x2', budgetMs: Number.POSITIVE_INFINITY });
let av: NodeAv;

beforeAll(async () => {
  const pictures = ['-f', 'lavfi', '-i', 'testsrc2=size=48x32:rate=25', '-frames:v', `${FRAMES}`];
  ffmpeg(...pictures, '-c:v', 'libx264', '-bf', '2', at('in.mp4'));
  av = await loadFfmpeg();
  await make('right.mp4', enginesOf([{}]));
  await make('right.y4m', enginesOf([{}]));
});

/** When an engine goes wrong, in pictures it has made. A clip is 40 of them: twenty are shown to it before segments. */
interface Fault {
  /** From then on all it computes is inverted. */
  readonly wrongAfter?: number;
  /** From then on it does not answer the golden tile. */
  readonly silentAfter?: number;
}

/** A real engine that goes wrong in the middle. */
function engine(
  backend: Backend,
  { wrongAfter = Number.POSITIVE_INFINITY, silentAfter = Number.POSITIVE_INFINITY }: Fault,
): Engine<MemoryFrame, MemoryFrame> {
  const real = new OrtCpuEngine<MemoryFrame, MemoryFrame>(wasmEngine().runner, () => engineMemory);
  const [open, runTile] = [real.open.bind(real), real.runTile.bind(real)];
  let made = 0;
  return Object.assign(real, {
    backend,
    open: async (...args: Parameters<typeof open>): Promise<EngineStream<MemoryFrame, MemoryFrame>> => {
      const stream = await open(...args);
      const output = stream.output.bind(stream);
      return Object.assign(stream, {
        output: async (...times: Parameters<typeof output>) => {
          const frame = await output(...times);
          if (made++ >= wrongAfter) frame.planar.data.set(frame.planar.data.map((v) => 255 - v));
          return frame;
        },
      });
    },
    runTile: async (...asked: Parameters<typeof runTile>) => {
      if (made > silentAfter) throw new UpscaleError('engine-failed', 'The device is lost.');
      const answer = await runTile(...asked);
      return made > wrongAfter ? answer.map((v) => 1 - v) : answer;
    },
  });
}

/** Engines with faults, best first, and which of them were started. */
function enginesOf(faults: readonly Fault[]): { engines: FileEngines; started: Backend[] } {
  const names = (['cuda', 'cpu', 'wasm'] as const).slice(0, faults.length);
  const started: Backend[] = [];
  const engines = new FileEngines({
    candidates: () => names,
    start: async (backend) => {
      started.push(backend);
      return engine(backend, faults[names.indexOf(backend as 'wasm')]!);
    },
    locate: () => ({ manifest: new URL('../../models/mana-nano-x2/manifest.json', import.meta.url).href }),
  });
  return { engines, started };
}

/** Upscales the clip in segments of eight pictures. @returns what was said */
async function make(output: string, { engines }: { engines: FileEngines }): Promise<string[]> {
  const told: string[] = [];
  const result = await runJob(
    av,
    {
      input: at('in.mp4'),
      output: at(output),
      settings,
      encoding: { codec: 'h264', crf: 0, threads: 1 },
      span: { fromUs: undefined, toUs: undefined },
      resume: false,
      overwrite: true,
      maxPixels: 10_000,
      segmentFrames: 8,
    },
    { notice: (sentence) => told.push(sentence), progress: () => undefined },
    new AbortController().signal,
    engines,
  );
  expect(result.frames).toBe(FRAMES);
  return told;
}

const known = new Map<string, Buffer[]>();

function rightPictures(name: string): Buffer[] {
  const pictures = known.get(name) ?? picturesOf(at(name), BYTES);
  known.set(name, pictures);
  return pictures;
}

function expectRight(output: string): void {
  const made = picturesOf(at(output), BYTES);
  const right = rightPictures(`right.${output.split('.').at(-1)}`);
  expect(made.length).toBe(FRAMES);
  for (const [i, picture] of made.entries()) expect(picture.equals(right[i]!), `frame ${i}`).toBe(true);
  expect(timesOf(at(output), 'v:0')).toEqual(timesOf(at(output.endsWith('y4m') ? output : 'in.mp4'), 'v:0'));
  expect(readdirSync(folder).filter((name) => name.startsWith(`${output}.`))).toEqual([]);
}

it.each([
  ['first segment', 0],
  ['second segment', 11],
  ['last and short segment', 37],
])('an engine that computes wrongly from its %s on has it made again by the next', async (_, wrongAfter) => {
  const told = await make('wrong.mp4', enginesOf([{ wrongAfter }, {}]));
  expect(told).toEqual([expect.stringMatching(/^cuda is given up for cpu: The cuda backend computes .* wrongly here/)]);
  expectRight('wrong.mp4');
});

it('one after another, and pictures as they are too', async () => {
  for (const name of ['twice.mp4', 'twice.y4m']) {
    const told = await make(name, enginesOf([{ wrongAfter: 3 }, { wrongAfter: 12 }, {}]));
    expect(told.map((sentence) => sentence.split(':')[0])).toEqual([
      'cuda is given up for cpu',
      'cpu is given up for wasm',
    ]);
    expectRight(name);
  }
});

it('an engine that does not answer any more counts as one that answers wrongly', async () => {
  const told = await make('silent.mp4', enginesOf([{ silentAfter: 10 }, {}]));
  expect(told).toEqual(['cuda is given up for cpu: The device is lost.']);
  expectRight('silent.mp4');
});

it('when none is left, that is the error, with its reason, and whole segments stay', async () => {
  await expect(make('none.mp4', enginesOf([{ wrongAfter: 11 }]))).rejects.toThrow(
    /^No backend is left to try. The last one: The cuda backend computes .* wrongly here/,
  );
  expect(existsSync(at('none.mp4'))).toBe(false);
  expect(readdirSync(at('none.mp4.parts')).sort()).toEqual(['000000.mp4', 'state.json']);
});

it('several files share an engine, until it is given up', async () => {
  const rig = enginesOf([{ wrongAfter: 90 }, {}]);
  for (const [name, started] of [
    ['1.mp4', ['cuda']],
    ['2.mp4', ['cuda']],
    ['3.mp4', ['cuda', 'cpu']],
    ['4.mp4', ['cuda', 'cpu', 'cuda']],
  ] as const) {
    await make(name, rig);
    await rig.engines.renew();
    expect(rig.started, name).toEqual(started);
    expectRight(name);
  }
  await rig.engines.dispose();
});
