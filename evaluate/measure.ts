import type { Engine, LoadedModel } from '../src/engine/engine.js';
import type { PlanarFrame } from '../src/frame/frame.js';
import { Upscaler } from '../src/pipeline/upscaler.js';
import { type Figures, Meter } from './metrics.js';
import { cutToMultiple, fromFrame, type Picture, toFrame } from './picture.js';
import { bicubic } from './resize.js';
import type { Sequence } from './sequences.js';

/** Frames at each end of a sequence that are not measured: the others have whole windows. */
export const EDGE = 3;

/** How a sequence is run. */
export interface MeasureOptions {
  /** Frames to see after each, 0..3. */
  readonly lookahead: number;
  /** Largest tile in low-resolution pixels, halo included, or as the engine chooses. */
  readonly tile: number | undefined;
  /** Most frames that are read. */
  readonly frames: number;
}

/** What one sequence gave. */
export interface Measured {
  readonly name: string;
  /** Frames that count. */
  readonly frames: number;
  /** Tiles of a frame. */
  readonly tiles: number;
  readonly bicubic: Figures;
  readonly model: Figures;
}

/**
 * Shrinks a sequence by Pillow's bicubic, runs it through the pipeline from its first frame on, and measures the outputs.
 * The truth is cut to multiples of twice the scale.
 * @throws Error when the sequence is too short to measure a frame
 */
export async function measure(
  engine: Engine<PlanarFrame, PlanarFrame>,
  model: LoadedModel,
  sequence: Sequence,
  { lookahead, tile, frames }: MeasureOptions,
): Promise<Measured> {
  const { scale } = model.manifest;
  const own = new Meter();
  const plain = new Meter();
  /** Truths of frames that are in the pipeline, at most `lookahead + 1`. */
  const truths: Picture[] = [];
  const emit = (frame: PlanarFrame): void => own.add(truths.shift() as Picture, fromFrame(frame));
  let upscaler: Upscaler<PlanarFrame, PlanarFrame> | undefined;
  try {
    for await (const picture of sequence.read(frames)) {
      const truth = cutToMultiple(picture, 2 * scale);
      const size = { width: truth.width / scale, height: truth.height / scale };
      const low = bicubic(truth, size.width, size.height);
      plain.add(truth, bicubic(low, truth.width, truth.height));
      truths.push(truth);
      upscaler ??= await Upscaler.open(engine, model, {
        size,
        lookahead,
        ...(tile === undefined ? {} : { maxTilePixels: tile }),
        emit,
      });
      const frame = toFrame(low, plain.count);
      await upscaler.push(frame, { times: frame, arrivedMs: 0, release: () => undefined });
    }
    if (!upscaler || plain.count <= 2 * EDGE) {
      throw new Error(`${sequence.name} has only ${plain.count} frames; ${2 * EDGE + 1} are needed to measure one.`);
    }
    await upscaler.flush();
    return {
      name: sequence.name,
      frames: own.count - 2 * EDGE,
      tiles: upscaler.plan.tiles.length,
      bicubic: plain.figures(EDGE),
      model: own.figures(EDGE),
    };
  } finally {
    upscaler?.dispose();
  }
}
