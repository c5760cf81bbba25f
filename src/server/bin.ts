#!/usr/bin/env node
import { main } from './cli.js';
import { startServer } from './create-server.js';

process.exit(await main(process.argv.slice(2), { start: startServer }));
