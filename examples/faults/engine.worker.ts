/**
 * An engine worker that fails on command: the package's own, with what it stands on altered from outside. A page names
 * it as `assets: { engineWorker }` and fails it by `injectFault()`.
 */
import { hostEngine, type MessageScope } from 'mana-upscale/worker';
import type { ToEngine } from '../../src/live/protocol.js';
import type { BrowserPlatform } from '../../src/media/browser-platform.js';
import { watchDevices } from './devices.js';
import { type FaultMessage, faultChannel, type Order } from './faults.js';
import { hookSessions } from './sessions.js';
import { Strikes } from './strikes.js';

/** A page that does not listen answers nothing; then no fault stands. */
const ANSWER_MS = 1000;

const name = crypto.randomUUID();
const channel = faultChannel();
const post = (message: FaultMessage): void => channel.postMessage(message);
const told = new Set<number>();

const strikes = new Strikes(
  new Promise((resolve) => {
    const timer = setTimeout(resolve, ANSWER_MS);
    channel.addEventListener('message', ({ data }: MessageEvent<FaultMessage>) => {
      if (data.type === 'inject') take(data.order);
      else if (data.type === 'standing' && data.worker === name) {
        clearTimeout(timer);
        for (const order of data.orders) take(order);
        resolve();
      }
    });
  }),
);

function take({ id, fault }: Order): void {
  post({ type: 'taken', worker: name, id });
  strikes.take(fault, () => {
    if (!told.has(id)) post({ type: 'struck', worker: name, id });
    told.add(id);
  });
}

post({ type: 'started', worker: name });
watchDevices();

const scope = self as unknown as MessageScope;
let ready: Promise<unknown> = Promise.resolve();

hostEngine({
  postMessage: (message, transfer) => scope.postMessage(message, transfer),
  addEventListener: (type, listener) =>
    scope.addEventListener(type, (event: MessageEvent<ToEngine<BrowserPlatform>>) => {
      const { data } = event;
      // Where ONNX Runtime is, only this message tells. Its sessions must be hooked before the engine makes any.
      if (data.type === 'start') {
        const builds = Object.values(data.assets.ort);
        // A build that cannot be had is the engine's to report.
        ready = Promise.allSettled(builds.map(({ api }) => hookSessions(api, strikes)));
      }
      ready.then(() => listener(event));
    }),
});
