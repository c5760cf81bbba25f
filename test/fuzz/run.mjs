/** `node --expose-gc test/fuzz/run.mjs`: loads the fuzzer, which is TypeScript, through Vite and runs it. */
import { fileURLToPath } from 'node:url';
import { runnerImport } from 'vite';

const load = async (path) => (await runnerImport(path, { configFile: false, logLevel: 'error' })).module;
const { main } = await load(fileURLToPath(new URL('./run.ts', import.meta.url)));
await main(process.argv.slice(2), load);
