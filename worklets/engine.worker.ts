import { hostEngine, type MessageScope } from '../src/worker.js';

hostEngine(self as unknown as MessageScope);
