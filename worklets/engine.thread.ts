import { hostEngine } from '../src/live/engine-host.js';
import { nodeBackends } from '../src/node/node-backends.js';
import type { NodePlatform } from '../src/node/node-platform.js';
import { threadScope } from '../src/node/threads.js';

hostEngine<NodePlatform>(threadScope(), nodeBackends);
