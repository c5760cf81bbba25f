import type { MessageScope } from '../src/live/scope.js';
import { hostFile } from '../src/media/file/host.js';

hostFile(self as unknown as MessageScope);
