#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { threadsEnded } from '../node/threads.js';
import { startServer } from '../server/create-server.js';
import { main } from './main.js';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};
const code = await main(process.argv.slice(2), { start: startServer, version });
// A process that exits before its threads have ended interrupts native code.
await threadsEnded();
process.exit(code);
