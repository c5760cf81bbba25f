import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { FileNetwork } from '../../src/file/network.js';
import type { PlanarFrame } from '../../src/frame/frame.js';
import { MemoryFrame } from '../../src/node/memory-frame.js';
import { nodeBackends } from '../../src/node/node-backends.js';
import { checkNodeOptions } from '../../src/node/options.js';
import { threadsEnded } from '../../src/node/threads.js';

/** The network alone, a process of its own: frames are in memory, and what comes out is dropped. Prints frames a second. */
const [path = '', width = '', height = '', model = ''] = process.argv.slice(2);
const size = { width: Number(width), height: Number(height) };
const area = size.width * size.height;
const raw = readFileSync(path);
const frames = Array.from(
  { length: Math.floor(raw.length / (area * 1.5)) },
  (_, i): PlanarFrame => ({
    format: 'I420',
    ...size,
    data: raw.subarray(i * area * 1.5, (i + 1) * area * 1.5),
    planes: [
      { offset: 0, stride: size.width },
      { offset: area, stride: size.width / 2 },
      { offset: area * 1.25, stride: size.width / 2 },
    ],
    colourSpace: { matrix: 'smpte170m', fullRange: false },
    timestampUs: i * 40_000,
  }),
);
const settings = checkNodeOptions({
  model: model as 'mana-live-x2',
  threads: availableParallelism(),
  budgetMs: Number.POSITIVE_INFINITY,
});
let made = 0;
const network = await FileNetwork.open<MemoryFrame>({
  choice: nodeBackends(undefined, () => undefined),
  settings,
  emit: () => made++,
});
const start = performance.now();
for (const planar of frames) await network.push(new MemoryFrame(planar), planar, planar);
await network.flush();
const seconds = (performance.now() - start) / 1000;
console.log(JSON.stringify({ framesPerSecond: made / seconds }));
network.dispose();
network.verified.engine.dispose();
await threadsEnded();
