import * as ort from 'onnxruntime-web';
import type { LoadedModel } from '../../src/engine/engine.js';
import { packRgb } from '../../src/frame/colour.js';
import type { PlanarFrame } from '../../src/frame/frame.js';

const sessions = new WeakMap<Uint8Array, Promise<ort.InferenceSession>>();

/** One session for a graph, however often it is asked for. */
function sessionOf(graph: Uint8Array): Promise<ort.InferenceSession> {
  const session = sessions.get(graph) ?? ort.InferenceSession.create(graph);
  sessions.set(graph, session);
  return session;
}

/**
 * The network by ONNX Runtime alone: whole pictures, edge-replicated to the model's grid, encoded from the stream's first
 * frame on. No engine, no ring, no tiles.
 * @param windows frames that each output is fused from, oldest first
 * @returns the outputs as pictures of 4-byte pixels
 */
export async function networkAlone(
  { manifest, files }: LoadedModel,
  frames: readonly PlanarFrame[],
  windows: readonly (readonly number[])[],
): Promise<Uint8Array[]> {
  ort.env.wasm.numThreads = 1;
  const { encode, fuse, align, planes, scale } = manifest;
  const [first] = frames as [PlanarFrame];
  const [width, height] = [first.width, first.height].map((side) => Math.ceil(side / align) * align) as [
    number,
    number,
  ];
  const dims = (plane: string): number[] => {
    const { channels, stride } = planes[plane]!;
    return [1, channels, height / stride, width / stride];
  };
  const length = (plane: string): number => dims(plane).reduce((product, dim) => product * dim);
  const [encoder, fuser] = await Promise.all([sessionOf(files.get(encode.file)!), sessionOf(files.get(fuse.file)!)]);
  const encoded: Map<string, ort.Tensor>[] = [];
  for (const frame of frames) {
    const packed = new Float32Array(length('frame'));
    packRgb(frame, packed, width, height);
    const now = new Map<string, ort.Tensor>([['frame', new ort.Tensor('float32', packed, dims('frame'))]]);
    const feeds: Record<string, ort.Tensor> = {};
    for (const [name, { plane, age }] of Object.entries(encode.inputs)) {
      const zeros = (): ort.Tensor => new ort.Tensor('float32', new Float32Array(length(plane)), dims(plane));
      feeds[name] = age === 0 ? now.get(plane)! : (encoded.at(-1)?.get(plane) ?? zeros());
    }
    const results = await encoder.run(feeds);
    for (const [name, plane] of Object.entries(encode.outputs)) now.set(plane, results[name]!);
    encoded.push(now);
  }
  const pictures: Uint8Array[] = [];
  for (const window of windows) {
    const feeds: Record<string, ort.Tensor> = {};
    for (const [name, { plane, slot }] of Object.entries(fuse.inputs))
      feeds[name] = encoded[window[slot]!]!.get(plane)!;
    const out = (await fuser.run(feeds))[fuse.output]!.data as Float32Array;
    const pixels = new Uint8ClampedArray(first.width * first.height * scale ** 2 * 4).fill(255);
    const [columns, rows] = [width * scale, height * scale];
    for (let y = 0; y < first.height * scale; y++) {
      for (let x = 0; x < first.width * scale; x++) {
        const at = (y * first.width * scale + x) * 4;
        for (let c = 0; c < 3; c++) pixels[at + c] = out[(c * rows + y) * columns + x]! * 255;
      }
    }
    pictures.push(new Uint8Array(pixels.buffer));
  }
  return pictures;
}

/** The window of a centre in a stream of `count` frames of which `lookahead` after the centre are known. */
export function windowOf(centre: number, count: number, lookahead: number): number[] {
  const newest = Math.min(centre + lookahead, count - 1);
  return Array.from({ length: 7 }, (_, i) => Math.min(Math.max(centre - 3 + i, 0), newest));
}
