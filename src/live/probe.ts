import type { Size } from '../frame/frame.js';
import { planStream } from '../pipeline/tiles.js';
import type { Verified } from './backends.js';

/** Large enough to keep a GPU busy, small enough to be over in a moment. */
const SIZE: Size = { width: 256, height: 144 };
/** Frames from one wait for the engine to the next. */
const FRAMES = 4;
const ROUNDS = 4;
/** A slow machine is not asked again after so long. */
const ENOUGH_MS = 500;

/**
 * Measures what a frame costs: a short stream of pictures of one size, each packed, encoded and fused. The first round
 * is not counted: there kernels are compiled and commands recorded.
 * @param picture makes a frame of the size, which is closed here
 * @param now the time, in milliseconds
 * @returns milliseconds a frame, in the best round
 */
export async function probeMs<F extends { close(): void }>(
  { engine, model }: Verified<F>,
  picture: (size: Size) => F,
  now: () => number,
): Promise<number> {
  const { manifest } = model;
  const most = { encode: engine.maxTilePixels(manifest.encode), fuse: engine.maxTilePixels(manifest.fuse) };
  const plan = planStream(manifest, SIZE, most);
  const slots = Array.from({ length: manifest.window }, (_, slot) => slot);
  const stream = await engine.open(model, { size: SIZE, ...plan, slots: slots.length });
  const frame = picture(SIZE);
  try {
    for (const slot of slots) {
      await stream.pack(frame, slot);
      await stream.encode(slot, slot > 0 ? slot - 1 : undefined);
    }
    let best = Number.POSITIVE_INFINITY;
    let spentMs = 0;
    for (let round = 0; round <= ROUNDS && spentMs < ENOUGH_MS; round++) {
      await stream.settled();
      const start = now();
      for (let i = 0; i < FRAMES; i++) {
        const slot = (i + 1) % slots.length;
        await stream.pack(frame, slot);
        await stream.encode(slot, i % slots.length);
        for (const tile of plan.fuse.tiles) await stream.fuse(slots, tile);
      }
      await stream.settled();
      if (round === 0) continue;
      best = Math.min(best, (now() - start) / FRAMES);
      spentMs += now() - start;
    }
    return best;
  } finally {
    frame.close();
    stream.dispose();
  }
}
