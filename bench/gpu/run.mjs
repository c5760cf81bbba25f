/** `npm run bench:gpu`: loads its program, which is TypeScript, through Vite and runs it. */
import { fileURLToPath } from 'node:url';
import { runnerImport } from 'vite';

const program = fileURLToPath(new URL('./program.ts', import.meta.url));
const { module } = await runnerImport(program, { configFile: false, logLevel: 'error' });
await module.main(process.argv.slice(2));
