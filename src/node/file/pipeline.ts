import { Channel } from '../../file/channel.js';
import type { Damage } from './damage.js';
import type { Decoding } from './decoder.js';
import { FileError } from './file-error.js';
import type { Input } from './input.js';
import type { Span } from './mux.js';
import type { PictureReader } from './picture-reader.js';
import { picturesFrom } from './pictures-from.js';
import type { Picture, SteadyNetwork, UpscaledPicture } from './steady-network.js';

/** Where the output's pictures go. */
export interface Sink {
  write(picture: UpscaledPicture): Promise<void>;
  /** A segment is whole; more may come. */
  cut(): Promise<void>;
  /** Leaves what is not whole. */
  abandon(): Promise<void>;
}

/** What runs through a pipeline. */
export interface PipelineOptions {
  readonly input: Input;
  readonly reader: PictureReader;
  readonly network: SteadyNetwork;
  readonly sink: Sink;
  readonly damage: Damage;
  readonly decoding: Decoding;
  readonly span: Span;
  /** Pictures at the beginning that are there already. */
  readonly skip: number;
  /** Pictures after which the network begins anew; `Infinity`: it runs through. */
  readonly segmentFrames: number;
  readonly signal: AbortSignal;
}

/** Pictures that may wait between two stages. */
const ROOM = 3;

/** A picture on its way to the network, and whether its output is wanted. */
interface Source {
  readonly picture: Picture;
  readonly wanted: boolean;
}

/** Decoding, the network and encoding side by side, until the source's end. @returns how many pictures were decoded and wanted */
export async function runPipeline(options: PipelineOptions): Promise<number> {
  const { sink, signal } = options;
  const decoded = new Channel<Source>(ROOM);
  const upscaled = new Channel<UpscaledPicture | 'cut'>(ROOM);
  const fail = (error: unknown): void => {
    decoded.fail(error);
    upscaled.fail(error);
  };
  const stop = (): void => fail(new FileError('interrupted', 'Ended before the file was done.'));
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();
  const stages = [decode(options, decoded), upscale(options, decoded, upscaled), encode(sink, upscaled)] as const;
  for (const stage of stages) stage.catch(fail);
  try {
    const [count] = await Promise.all(stages);
    return count;
  } catch (thrown) {
    // Native code must have come back before anything it works on is freed.
    await Promise.allSettled(stages);
    await sink.abandon();
    throw thrown;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

async function decode(
  { input, reader, network, damage, decoding, span: { fromUs, toUs }, skip, signal }: PipelineOptions,
  decoded: Channel<Source>,
): Promise<number> {
  const { num, den } = input.video.timeBase;
  const unitUs = (1e6 * num) / den;
  let count = 0;
  for await (const { frame, pts, duration } of picturesFrom(input, fromUs, damage, { ...decoding, signal })) {
    const timestampUs = Number(pts) * unitUs;
    if (toUs !== undefined && timestampUs >= toUs) break;
    const within = fromUs === undefined || timestampUs >= fromUs;
    if (within) count++;
    if (within && count <= skip - network.options.warmUp) continue;
    const times = { timestampUs, ...(duration > 0n ? { durationUs: Number(duration) * unitUs } : {}) };
    const planar = await reader.read(frame, times);
    await decoded.put({ picture: { planar, pts, duration }, wanted: within && count > skip });
  }
  decoded.end();
  return count;
}

async function upscale(
  { network, segmentFrames }: PipelineOptions,
  decoded: Channel<Source>,
  upscaled: Channel<UpscaledPicture | 'cut'>,
): Promise<void> {
  let begun = false;
  const give = async (pictures: readonly UpscaledPicture[]): Promise<void> => {
    for (const picture of pictures) await upscaled.put(picture);
    if (!network.isComplete) return;
    await network.check();
    await upscaled.put('cut');
    await network.begin(segmentFrames);
  };
  for (let source = await decoded.take(); source; source = await decoded.take()) {
    if (!source.wanted) {
      network.remember(source.picture);
      continue;
    }
    if (!begun) await network.begin(segmentFrames);
    begun = true;
    await give(await network.push(source.picture));
  }
  while (network.owed > 0) await give(await network.flush());
  // The last pictures are a segment, too, however few.
  if (begun) await network.check();
  upscaled.end();
}

async function encode(sink: Sink, upscaled: Channel<UpscaledPicture | 'cut'>): Promise<void> {
  let open = false;
  for (let next = await upscaled.take(); next; next = await upscaled.take()) {
    if (next === 'cut') {
      await sink.cut();
      open = false;
    } else {
      await sink.write(next);
      open = true;
    }
  }
  if (open) await sink.cut();
}
