import type { MessageScope } from '../src/media/engine-host.js';
import { hostIo } from '../src/media/io-host.js';

hostIo(self as unknown as MessageScope);
