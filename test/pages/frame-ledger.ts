/**
 * Keeps account of every VideoFrame that this thread's code holds: what it makes, reads and is sent, less what it closes, writes
 * and sends. Frames that a browser loses between threads are not in it, so what is left over is ours.
 *
 * Import this before the code that is watched.
 */
const held = new Set<VideoFrame>();
let seen = 0;

/** What a thread has done with frames. */
export interface Ledger {
  /** Frames that it holds now. */
  readonly held: number;
  /** Frames that it has held, those included. */
  readonly seen: number;
}

export function ledger(): Ledger {
  return { held: held.size, seen };
}

function hold(frame: VideoFrame): void {
  if (!held.has(frame)) seen++;
  held.add(frame);
}

const isFrame = (value: unknown): value is VideoFrame => value instanceof VideoFrame;

/** The frame that a message carries, if it does. */
function frameOf(message: unknown): VideoFrame | undefined {
  const frame = (message as { frame?: unknown } | null)?.frame;
  return isFrame(frame) ? frame : undefined;
}

/** Takes note of a message that this thread receives. */
export function received({ data }: MessageEvent): void {
  const frame = frameOf(data);
  if (frame) hold(frame);
}

/** Takes note of a message that this thread sends. */
export function sent(message: unknown): void {
  const frame = frameOf(message);
  if (frame) held.delete(frame);
}

const { close, clone } = VideoFrame.prototype;
VideoFrame.prototype.close = function () {
  held.delete(this);
  close.call(this);
};
VideoFrame.prototype.clone = function () {
  const frame = clone.call(this);
  hold(frame);
  return frame;
};
globalThis.VideoFrame = new Proxy(VideoFrame, {
  construct(target, args, newTarget) {
    const frame = Reflect.construct(target, args, newTarget) as VideoFrame;
    hold(frame);
    return frame;
  },
});

const reading = ReadableStreamDefaultReader.prototype;
const { read } = reading;
reading.read = async function () {
  const result = await read.call(this);
  if (isFrame(result.value)) hold(result.value);
  return result;
};

const writing = WritableStreamDefaultWriter.prototype;
const { write } = writing;
writing.write = async function (chunk) {
  await write.call(this, chunk);
  // One that is refused is still the writer's to close.
  if (isFrame(chunk)) held.delete(chunk);
};
