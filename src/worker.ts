/**
 * The workers, for people who host them themselves: write two module workers of one line each and give their URLs as
 * `assets.ioWorker` and `assets.engineWorker`.
 *
 * @example
 * ```ts
 * import { hostIo } from 'mana-upscale/worker';
 * hostIo(self);
 * ```
 * @module
 */
export { hostEngine, type MessageScope } from './media/engine-host.js';
export { hostIo } from './media/io-host.js';
