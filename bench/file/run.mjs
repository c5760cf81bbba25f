/** `npm run bench:file`: loads the bench, which is TypeScript, through Vite and runs it. */
import { fileURLToPath } from 'node:url';
import { runnerImport } from 'vite';

const main = fileURLToPath(new URL('./main.ts', import.meta.url));
const { module } = await runnerImport(main, { configFile: false, logLevel: 'error' });
await module.main(process.argv.slice(2));
