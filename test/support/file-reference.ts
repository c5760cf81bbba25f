import { FileNetwork } from '../../src/file/network.js';
import type { ColourSpace, PlanarFrame, Size } from '../../src/frame/frame.js';
import { tightLayout, tightLength } from '../../src/frame/planes.js';
import type { Verified } from '../../src/live/backends.js';
import type { OwnedFrame } from '../../src/live/frame-kind.js';
import type { StreamSettings } from '../../src/live/protocol.js';
import { toI420 } from '../../src/server/codecs/to-i420.js';
import { shippedModel, wasmEngine } from './models.js';

/** A frame in memory, as the file's network takes it. */
type Owned = PlanarFrame & OwnedFrame;

const owned = (planar: PlanarFrame): Owned => ({
  ...planar,
  timestamp: planar.timestampUs,
  duration: null,
  close: () => undefined,
});

/**
 * What the network makes of a file's pictures, in Node: I420 without gaps.
 * @param pictures I420, one after another
 */
export async function upscaledInNode(
  pictures: Uint8Array,
  size: Size,
  timesS: readonly number[],
  colourSpace: ColourSpace,
  name: 'mana-nano-x2' | 'mana-live-x2' | 'mana-nano-x4' = 'mana-nano-x2',
): Promise<Uint8Array[]> {
  const engine = wasmEngine();
  const verified = { engine, model: await shippedModel(name) } as unknown as Verified<Owned>;
  const made: Uint8Array[] = [];
  const network = await FileNetwork.open<Owned>({
    choice: { choose: async () => verified, check: async () => undefined },
    settings: { lookahead: 3, maxTilePixels: null } as StreamSettings,
    emit: (frame) => made.push(toI420(frame, colourSpace).data),
  });
  const { width, height } = size;
  const bytes = tightLength('I420', size);
  for (let i = 0; (i + 1) * bytes <= pictures.length; i++) {
    const timestampUs = Math.round((timesS[i] as number) * 1e6);
    const planes = tightLayout('I420', size);
    const data = pictures.slice(i * bytes, (i + 1) * bytes);
    await network.push(owned({ format: 'I420', width, height, data, planes, colourSpace, timestampUs }), size, {
      timestampUs,
    });
  }
  await network.flush();
  network.dispose();
  return made;
}
