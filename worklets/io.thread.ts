import { hostIo } from '../src/live/io-host.js';
import { NODE_IO } from '../src/node/node-platform.js';
import { threadScope } from '../src/node/threads.js';

hostIo(threadScope(), NODE_IO);
