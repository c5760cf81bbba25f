/** The package's `io` worker, whose frames are kept account of. It reports them at the end of each stream. */

import { hostIo, type MessageScope } from 'mana-upscale/worker';
import { ledger, received, sent } from './frame-ledger.js';

const scope = self as unknown as MessageScope;
const channel = new BroadcastChannel('frame-ledger');

scope.addEventListener('message', received);
hostIo({
  postMessage: (message, transfer) => {
    sent(message);
    if ((message as { type?: string }).type === 'ended') channel.postMessage(ledger());
    scope.postMessage(message, transfer);
  },
  addEventListener: (type, listener) => scope.addEventListener(type, listener),
});
