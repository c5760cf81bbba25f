import type { StreamSettings } from '../../live/protocol.js';
import { noDamage } from './damage.js';
import { decodePictures } from './decoder.js';
import { FileEngines } from './file-engines.js';
import type { Input } from './input.js';
import { PictureReader } from './picture-reader.js';
import { SteadyNetwork } from './steady-network.js';

/** What the network takes for a file. */
export interface Estimate {
  readonly model: string;
  readonly backend: string;
  readonly framesPerSecond: number;
}

/** The first pictures, which tell what the rest will take. */
const FRAMES = 8;

/** Measures the network on a file's first pictures. The input is read from. `undefined` where it holds too few. */
export async function estimate(
  input: Input,
  settings: StreamSettings,
  maxPixels: number,
): Promise<Estimate | undefined> {
  const { av, video } = input;
  const engines = new FileEngines();
  const network = new SteadyNetwork({
    backends: engines.backends,
    settings,
    warmUp: 0,
    fallback: () => undefined,
  });
  const reader = new PictureReader(av, () => undefined);
  const unitUs = (1e6 * video.timeBase.num) / video.timeBase.den;
  const decoding = { threads: settings.threads, maxPixels };
  let startMs = 0;
  let made = 0;
  let frames = 0;
  try {
    await network.start();
    await network.begin(Number.POSITIVE_INFINITY);
    for await (const { frame, pts, duration } of decodePictures(input, noDamage(), decoding)) {
      const planar = await reader.read(frame, { timestampUs: Number(pts) * unitUs });
      // The first one opens the pipeline; after lookahead each picture in is one out.
      if (frames === settings.lookahead + 1) startMs = performance.now();
      const out = await network.push({ planar, pts, duration });
      if (startMs > 0) made += out.length;
      if (++frames > FRAMES) break;
    }
    if (made === 0) return undefined;
    const framesPerSecond = (1000 * made) / (performance.now() - startMs);
    return { model: network.model, backend: network.description, framesPerSecond };
  } finally {
    network.dispose();
    await engines.dispose();
    reader.dispose();
  }
}
