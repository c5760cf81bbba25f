import type { StageTimes, Tile } from '../../src/engine/engine.js';
import type { WebGpuOptions } from '../../src/engine/ort/webgpu.js';
import type { WebGpuStream } from '../../src/engine/webgpu/stream.js';
import type { PlaneSpec } from '../../src/model/manifest.js';
import { planStream } from '../../src/pipeline/tiles.js';
import { engineWith, modelOf, pictureFrame, TINY } from './webgpu.js';

const SIZE = { width: 48, height: 16 };

/** A stream of two tiles. */
async function open(options: Partial<WebGpuOptions>): Promise<{ stream: WebGpuStream; tiles: readonly Tile[] }> {
  const model = await modelOf(TINY);
  const plans = planStream(model.manifest, SIZE, { encode: Number.POSITIVE_INFINITY, fuse: 640 });
  const stream = await (await engineWith(options)).open(model, { size: SIZE, ...plans, slots: 7 });
  return { stream, tiles: plans.fuse.tiles };
}

/** One frame as a pipeline makes it: encoded while the comparison is on its way, every second tile resampled. */
async function frame(stream: WebGpuStream, tiles: readonly Tile[], time: number): Promise<void> {
  const source = pictureFrame(SIZE.width, SIZE.height, time);
  const slot = time % 7;
  await stream.pack(source, slot);
  source.close();
  const looking = stream.compare(slot, (time + 6) % 7);
  await stream.encode(slot);
  await looking;
  for (const tile of tiles) if (tile.index % 2 === 0) await stream.fuse(Array(7).fill(slot), tile);
  await stream.enlarge(
    slot,
    tiles.filter(({ index }) => index % 2 === 1),
  );
  (await stream.output({ timestampUs: time * 40_000 })).close();
}

/** Stage times over some frames, and the time that passed. */
export async function stages(
  frames: number,
  options: Partial<WebGpuOptions> = {},
): Promise<{ timed: string; times: StageTimes; wallMs: number }> {
  const { stream, tiles } = await open(options);
  const arrived = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 100));
  await frame(stream, tiles, 0);
  await arrived();
  const before = { ...stream.times };
  const start = performance.now();
  for (let time = 1; time <= frames; time++) await frame(stream, tiles, time);
  const wallMs = performance.now() - start;
  await arrived();
  const times = { ...stream.times };
  for (const stage of Object.keys(times) as (keyof StageTimes)[]) times[stage] -= before[stage];
  const { timed } = stream;
  await stream.disposed();
  return { timed, times, wallMs };
}

/** Disposes streams whose times are still on their way; answers with what that left and brought about. */
export async function leaving(): Promise<{ left: number; faults: string[] }> {
  const faults: string[] = [];
  const listen = ({ reason }: PromiseRejectionEvent): void => void faults.push(String(reason));
  addEventListener('unhandledrejection', listen);
  const engine = await engineWith({});
  const before = engine.liveResources;
  for (let i = 0; i < 3; i++) {
    const { stream, tiles } = await open({});
    await frame(stream, tiles, 0);
    await stream.disposed();
  }
  await new Promise((resolve) => setTimeout(resolve, 100));
  removeEventListener('unhandledrejection', listen);
  if (engine.gpu.fault) faults.push(engine.gpu.fault.message);
  return { left: engine.liveResources - before, faults };
}

/** What a stream holds after each frame, and what the ring and both output pictures must take. */
export async function holding(frames: number): Promise<{ bytes: number[]; implied: number; disposed: number }> {
  const { manifest } = await modelOf(TINY);
  const { stream, tiles } = await open({});
  const bytes: number[] = [];
  for (let time = 0; time < frames; time++) {
    await frame(stream, tiles, time);
    bytes.push(stream.bytes);
  }
  await stream.disposed();
  const { width, height } = stream.parts.shape.encode.picture;
  const floats = ({ channels, stride }: PlaneSpec): number => (channels * width * height) / stride ** 2;
  const ring = 7 * 4 * Object.values(manifest.planes).reduce((sum, plane) => sum + floats(plane), 0);
  const pictures = 2 * 4 * SIZE.width * SIZE.height * manifest.scale ** 2;
  return { bytes, implied: ring + pictures, disposed: stream.bytes };
}
