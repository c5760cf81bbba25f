#!/usr/bin/env node
import { threadsEnded } from '../node/threads.js';
import { startServer } from '../server/create-server.js';
import { main } from './main.js';

const code = await main(process.argv.slice(2), { start: startServer });
// A process that exits before its threads have ended interrupts native code.
await threadsEnded();
process.exit(code);
