import { readFileSync } from 'node:fs';
import { threadsEnded } from '../node/threads.js';
import { startServer } from '../server/create-server.js';
import { type CliParts, main } from './main.js';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

/**
 * The command line as the package ships it.
 * @param argv arguments, without the program's own path
 * @returns the exit code, when all threads have ended: a process that exits before interrupts native code
 */
export async function commandLine(argv: readonly string[], parts: Partial<CliParts> = {}): Promise<number> {
  const code = await main(argv, { start: startServer, version, ...parts });
  await threadsEnded();
  return code;
}
