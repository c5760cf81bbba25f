import { hostEngine, type MessageScope } from '../src/media/engine-host.js';

hostEngine(self as unknown as MessageScope);
