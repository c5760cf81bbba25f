/** `npm test`: builds the package, runs all tests, or those that are named, and says how long that took. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const startMs = performance.now();
const minutes = () => ((performance.now() - startMs) / 60_000).toFixed(1);

/** Exit code of a script. */
const run = async (script, args = []) => {
  const child = spawn(process.execPath, [join(root, script), ...args], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const [code] = await once(child, 'exit');
  return code ?? 1;
};

const code =
  (await run('scripts/build.mjs')) || (await run('node_modules/vitest/vitest.mjs', ['run', ...process.argv.slice(2)]));
console.log(`Build and tests took ${minutes()} minutes.`);
process.exit(code);
