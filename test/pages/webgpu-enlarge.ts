import type { EngineStream, Tile } from '../../src/engine/engine.js';
import { OrtCpuEngine } from '../../src/engine/ort/cpu.js';
import { OrtRunner } from '../../src/engine/ort/graph-runner.js';
import type { Size } from '../../src/frame/frame.js';
import { PlaneReader } from '../../src/frame/video-frame.js';
import type { TileSpec } from '../../src/model/manifest.js';
import { planStream } from '../../src/pipeline/tiles.js';
import { engineWith, modelOf, ortInPage, pictureFrame, pixelsOf, worst } from './webgpu.js';

interface Run {
  readonly name: string;
  readonly size: Size;
  /** Largest tile, in pixels. */
  readonly maxPixels: number;
  /** Tiles of exactly this size, blended, as if the network asked for them. */
  readonly tile?: TileSpec;
  /** Indices of tiles that are resampled, by frame. */
  readonly resampled: readonly (readonly number[])[];
}

/** Outputs of frames that differ, some of their tiles resampled, on WebGPU and on WASM. */
export async function enlarging(run: Run): Promise<{ levels: number[]; tiles: number }> {
  const { manifest, files } = await modelOf(run.name);
  const model = run.tile ? { manifest: { ...manifest, tile: run.tile }, files } : { manifest, files };
  const most = { encode: Number.POSITIVE_INFINITY, fuse: run.maxPixels };
  const plans = planStream(model.manifest, run.size, most);
  const { tiles } = plans.fuse;
  const shape = { size: run.size, ...plans, slots: run.resampled.length };
  const play = async <Out>(
    stream: EngineStream<VideoFrame, Out>,
    read: (out: Out) => Promise<Uint8Array>,
  ): Promise<Uint8Array[]> => {
    const pictures: Uint8Array[] = [];
    for (const [slot, cheap] of run.resampled.entries()) {
      const frame = pictureFrame(run.size.width, run.size.height, slot);
      await stream.pack(frame, slot);
      frame.close();
      await stream.encode(slot);
      const window = Array(manifest.window).fill(slot);
      for (const tile of tiles) if (!cheap.includes(tile.index)) await stream.fuse(window, tile);
      if (cheap.length > 0)
        await stream.enlarge(
          slot,
          cheap.map((index) => tiles[index] as Tile),
        );
      pictures.push(await read(await stream.output({ timestampUs: slot * 40_000 })));
    }
    return pictures;
  };
  const gpu = await (await engineWith({})).open(model, shape);
  const found = await play(gpu, pixelsOf);
  await gpu.disposed();
  const reader = new PlaneReader();
  const engine = new OrtCpuEngine<VideoFrame, Uint8Array>(new OrtRunner(await ortInPage()), () => ({
    read: (frame) => reader.read(frame),
    write: (pixels) => Uint8Array.from(pixels),
  }));
  const cpu = await engine.open(model, shape);
  const expected = await play(cpu, async (out) => out);
  cpu.dispose();
  engine.dispose();
  return {
    levels: expected.map((picture, i) => worst(found[i] as Uint8Array, picture, true)),
    tiles: tiles.length,
  };
}
