import { hostGraphs } from '../src/node/graph-host.js';
import { threadScope } from '../src/node/threads.js';

hostGraphs(threadScope());
