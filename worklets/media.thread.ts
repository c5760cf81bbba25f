import { workerData } from 'node:worker_threads';
import { hostIo } from '../src/live/io-host.js';
import { threadScope } from '../src/node/threads.js';
import { loadCodecs } from '../src/server/codecs/load.js';
import { codedIo } from '../src/server/transcode/coded-io.js';
import type { CodedThread } from '../src/server/transcode/coded-platform.js';

const { library, maxPixels } = workerData as CodedThread;
hostIo(threadScope(), codedIo(await loadCodecs(library, { maxPixels })));
