import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { build } from 'esbuild';
import { beforeAll, describe, expect, it } from 'vitest';

/** A guard against hanging. */
const HANGS_MS = 240_000;

const root = fileURLToPath(new URL('../../', import.meta.url));

/** A program with the codecs inside, as CommonJS: `import()` of packages stays, and is answered from where it runs. */
async function program(body: string): Promise<string> {
  const pictures = "import { panning, psnr, encodeAll, decodeAll } from './test/server/codec-pictures.js';";
  const contents = `import { loadCodecs } from './src/server/codecs/load.js';
    ${body.includes('panning') ? pictures : ''}
    ${body}`;
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: root, loader: 'ts' },
    bundle: true,
    write: false,
    format: 'cjs',
    platform: 'node',
    target: 'node20',
    external: ['node-av', '@napi-rs/webcodecs'],
    define: { 'import.meta.url': JSON.stringify(new URL('./', import.meta.url).href) },
    logLevel: 'error',
  });
  return outputFiles[0]!.text;
}

/** Runs a file to its end. */
function run(args: readonly string[], cwd: string): Promise<{ code: number | null; out: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => (out += bytes));
    const guard = setTimeout(() => child.kill('SIGKILL'), HANGS_MS);
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(guard);
      resolve({ code, out });
    });
  });
}

describe('where the package is not installed', () => {
  it('says what to install', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'codecs-'));
    try {
      const source = await program(`
        (async () => {
          for (const name of [undefined, 'webcodecs', 'other']) {
            const { constructor, code, message, recoverable, cause } = await loadCodecs(name as never).catch((e) => e);
            console.log(JSON.stringify([constructor.name, code, message, recoverable, cause?.code]));
          }
        })();`);
      // Nothing above the folder has packages.
      await writeFile(join(folder, 'program.cjs'), source);
      const { out } = await run([join(folder, 'program.cjs')], folder);
      expect(
        out
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line)),
      ).toEqual([
        [
          'UpscaleError',
          'backend-unavailable',
          'Video cannot be coded because the package node-av is not installed: run npm install node-av.',
          false,
          'ERR_MODULE_NOT_FOUND',
        ],
        [
          'UpscaleError',
          'backend-unavailable',
          'Video cannot be coded because the package @napi-rs/webcodecs is not installed: run npm install @napi-rs/webcodecs@1.3.1.',
          false,
          'ERR_MODULE_NOT_FOUND',
        ],
        ['TypeError', null, "The codec library must be 'node-av' or 'webcodecs', not other.", null, null],
      ]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe.each(['node-av', 'webcodecs'])('codecs by %s', (library) => {
  let inThread = '';
  beforeAll(async () => {
    inThread = await program(`
      const { parentPort, workerData: { library, codec } } = require('node:worker_threads');
      (async () => {
        const backend = await loadCodecs(library);
        const size = { width: 160, height: 90 };
        const frames = panning(size, 20);
        const streams = await Promise.all([1, 2].map(async () => ({
          encoder: await backend.createEncoder({ codec, size, bitrate: 400_000, frameRate: 30 }),
          decoder: await backend.createDecoder(codec),
        })));
        const results = await Promise.all(streams.map(async ({ encoder, decoder }) => {
          const decoded = await decodeAll(decoder, await encodeAll(encoder, frames));
          encoder.dispose();
          decoder.dispose();
          return [decoded.length, Math.min(...decoded.map((frame, i) => psnr(frame, frames[i])))];
        }));
        parentPort.postMessage(results);
      })();`);
  });

  it('works in several threads at once, and threads can end', async () => {
    const results = await Promise.all(
      ['vp8', 'h264', 'vp8', 'h264'].map(
        (codec) =>
          new Promise<[number, number][]>((resolve, reject) => {
            const worker = new Worker(inThread, { eval: true, workerData: { library, codec } });
            worker.once('error', reject);
            worker.once('message', (message) => worker.terminate().then(() => resolve(message), reject));
          }),
      ),
    );
    for (const [count, worst] of results.flat()) {
      expect(count).toBeGreaterThanOrEqual(18);
      expect(worst).toBeGreaterThan(29);
    }
  });
});

describe('memory', () => {
  it('is given back by dispose, and does not grow with frames', async () => {
    const source = await program(`
      (async () => {
        const backend = await loadCodecs('node-av');
        const size = { width: 640, height: 360 };
        const frames = panning(size, 4);
        const large = { width: 1280, height: 720 };
        const settings = { size, bitrate: 1e6, frameRate: 30 };
        const cycle = async (count) => {
          for (let i = 0; i < count; i++) {
            const codec = i % 2 ? 'h264' : 'vp8';
            const encoder = await backend.createEncoder({ ...settings, codec });
            const decoder = await backend.createDecoder(codec);
            const scaler = backend.createScaler();
            for (const frame of frames) for (const shown of await decoder.decode(await encoder.encode(frame, false))) scaler.scale(shown, large);
            for (const each of [encoder, decoder, scaler]) each.dispose();
          }
        };
        const encoder = await backend.createEncoder({ ...settings, codec: 'h264' });
        const decoder = await backend.createDecoder('h264');
        const stream = async (count) => {
          for (let i = 0; i < count; i++) {
            if (i % 50 === 0) encoder.setBitrate(500_000 + 1000 * (i % 7));
            const picture = await encoder.encode({ ...frames[i % 4], timestampUs: i * 33_333 }, i % 25 === 0);
            const garbage = { ...picture, data: new Uint8Array(300).fill(i) };
            if (i % 25 === 24) await decoder.decode(garbage).catch(() => {});
            else await decoder.decode(picture);
          }
        };
        const rss = () => { gc(); return process.memoryUsage.rss() / 1e6; };
        await cycle(12); await stream(200);
        const first = rss();
        await cycle(30);
        const second = rss();
        await stream(1200);
        console.log(JSON.stringify([first, second, rss()]));
      })();`);
    const folder = await mkdtemp(join(tmpdir(), 'codecs-'));
    try {
      await writeFile(join(folder, 'program.cjs'), source);
      // From a string, so that packages are found from the working directory.
      const load = `eval(require('fs').readFileSync(${JSON.stringify(join(folder, 'program.cjs'))}, 'utf8'))`;
      const { code, out } = await run(['--expose-gc', '-e', load], root);
      expect(code, out).toBe(0);
      const [first, second, third] = JSON.parse(out) as [number, number, number];
      // One 640x360 encoder and decoder take some 20 MB, a frame a third of one: a leak of one in ten would show.
      expect(second - first, out).toBeLessThan(45);
      expect(third - second, out).toBeLessThan(35);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
