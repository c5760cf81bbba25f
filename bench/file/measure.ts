import { execFile, spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';

const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));

/** Resident memory is looked at this often, in milliseconds. */
const LOOK_MS = 200;

/** What a run of the command line took. */
export interface Measured {
  /** From the time that the network was ready until the output had its name. */
  readonly framesPerSecond: number;
  /** Resident memory over its time. */
  readonly megabytes: number[];
}

/** Upscales a file on the command line, as users do. */
export async function commandLine(input: string, output: string, model: string, watch = false): Promise<Measured> {
  rmSync(output, { force: true });
  const child = spawn(process.execPath, [CLI, 'file', input, '-o', output, '--model', model, '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const megabytes: number[] = [];
  const timer = watch
    ? setInterval(() => {
        const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
        megabytes.push(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024);
      }, LOOK_MS)
    : undefined;
  let told = '';
  child.stdout.on('data', (data) => {
    told += data;
  });
  const code = await new Promise((resolve) => child.on('exit', resolve));
  clearInterval(timer);
  if (code !== 0) throw new Error(`mana-upscale ended with ${code}: ${told}`);
  const done = JSON.parse(told.trim().split('\n').at(-1) ?? '') as {
    frames: number;
    seconds: number;
    startSeconds: number;
  };
  return { framesPerSecond: done.frames / (done.seconds - done.startSeconds), megabytes };
}

/** Frames a second of the network alone: the pictures are in memory, and what comes out is dropped. */
export async function networkAlone(pictures: string, width: number, height: number, model: string): Promise<number> {
  const outfile = fileURLToPath(new URL('../../dist/bench-alone.mjs', import.meta.url));
  const entry = fileURLToPath(new URL('./alone.ts', import.meta.url));
  // It lies beside the threads and models that it starts and reads.
  await build({ entryPoints: [entry], outfile, bundle: true, packages: 'external', format: 'esm', platform: 'node' });
  try {
    const args = [outfile, pictures, `${width}`, `${height}`, model];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    return (JSON.parse(stdout) as { framesPerSecond: number }).framesPerSecond;
  } finally {
    rmSync(outfile, { force: true });
  }
}
