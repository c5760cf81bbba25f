import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { fuzz, MOST_GROWN_BYTES } from './fuzz.js';
import type { FuzzTarget } from './target.js';

/** Longest time that one input may take. */
const MOST_MS = 250;

/** Loads a module of targets. */
type Load = (path: string) => Promise<{ readonly targets: readonly FuzzTarget[] }>;

/** All targets: what the modules in `targets/` export as `targets`. */
export async function allTargets(load: Load = (path) => import(path)): Promise<FuzzTarget[]> {
  const folder = fileURLToPath(new URL('./targets/', import.meta.url));
  const files = readdirSync(folder).filter((name) => name.endsWith('.ts'));
  const modules = await Promise.all(files.sort().map((file) => load(join(folder, file))));
  return modules.flatMap(({ targets }) => targets);
}

/** `node --expose-gc test/fuzz/run.mjs --count 1000000 --seed 1 [--target name]` */
export async function main(args: readonly string[], load?: Load): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      count: { type: 'string', default: '1000000' },
      seed: { type: 'string', default: '1' },
      target: { type: 'string' },
    },
  });
  const count = Number(values.count);
  const seed = Number(values.seed);
  if (!(count >= 1) || !Number.isInteger(seed)) throw new TypeError('--count and --seed must be whole numbers.');
  const targets = (await allTargets(load)).filter(({ name }) => values.target === undefined || name === values.target);
  if (targets.length === 0) throw new TypeError(`There is no target named ${values.target}.`);
  for (const target of targets) {
    try {
      const { totalMs, slowestMs, slowest, grownBytes } = await fuzz(target, count, seed);
      const each = ((totalMs / count) * 1000).toFixed(1);
      const grown = (grownBytes / 2 ** 20).toFixed(1);
      console.log(
        `${target.name.padEnd(24)} ${count} inputs, ${each} us each, slowest ${slowestMs.toFixed(1)} ms, heap ${grown} MiB`,
      );
      if (slowestMs > MOST_MS) {
        console.error(`${target.name} is too slow for ${slowest}`);
        process.exitCode = 1;
      }
      if (grownBytes > MOST_GROWN_BYTES) {
        console.error(`${target.name} keeps memory.`);
        process.exitCode = 1;
      }
    } catch (failure) {
      // The others are given theirs.
      console.error(failure);
      process.exitCode = 1;
    } finally {
      target.dispose?.();
    }
  }
}
