import type { MessageScope } from '../../src/live/scope.js';
import { hostFile } from '../../src/media/file/host.js';

const channel = new BroadcastChannel('made');
let last: Promise<unknown> = Promise.resolve();

/** A file worker that shows its frames as they go into the encoder. */
hostFile(self as unknown as MessageScope, {
  made: (frame) => {
    const copy = frame.clone();
    last = last.then(async () => {
      const data = new Uint8Array(copy.allocationSize());
      await copy.copyTo(data);
      copy.close();
      channel.postMessage(data);
    });
  },
});
