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
import { hostEngine as hostAnyEngine } from './live/engine-host.js';
import { hostIo as hostAnyIo } from './live/io-host.js';
import type { MessageScope } from './live/scope.js';
import { browserBackends } from './media/browser-backends.js';
import { browserIo } from './media/browser-io.js';
import type { BrowserPlatform } from './media/browser-platform.js';

export type { MessageScope };

/**
 * Runs the `io` worker: the tracks' streams, the fast scaler and the watch over the `engine` worker.
 * @param createEngine starts an engine worker from the URL that the page gave, or from its own
 */
export function hostIo(scope: MessageScope, createEngine?: (url: string) => Worker): void {
  hostAnyIo<BrowserPlatform>(scope, browserIo(createEngine));
}

/** Runs the `engine` worker: GPU device, ONNX Runtime and networks. */
export function hostEngine(scope: MessageScope): void {
  hostAnyEngine<BrowserPlatform>(scope, browserBackends);
}
