import { loseDevices, watchDevices } from '../../examples/faults/devices.js';
import type { MessageScope } from '../../src/live/scope.js';
import { hostFile } from '../../src/media/file/host.js';

/** Frames after which all GPU devices are lost, each time. */
const LOST_AFTER: readonly number[] = [4, 9];
let made = 0;

watchDevices();

/** A file worker whose devices are lost twice on the way. */
hostFile(self as unknown as MessageScope, {
  made: () => {
    if (LOST_AFTER.includes(++made)) loseDevices();
  },
});
