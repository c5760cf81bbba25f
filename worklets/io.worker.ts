import { hostIo, type MessageScope } from '../src/worker.js';

hostIo(self as unknown as MessageScope);
