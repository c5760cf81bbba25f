/**
 * Chromium leaves a VideoFrame to the garbage collector now and then when a stream of frames that crosses threads ends. None
 * of our code is in this page. Run it by hand: `node test/pages/run.mjs lost-frames count 100`; each line of the log that says
 * "garbage collected without being closed" stands for one frame or more that a thread lost within ten seconds.
 */
import { sleep } from './sources.js';

/** Reads a transferred stream and closes every frame; on command it cancels, and closes what still comes. */
const READER = `
onmessage = async ({ data }) => {
  if (data === 'cancel') return void reader.cancel();
  reader = data.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    value.close();
  }
  gc();
  postMessage('over');
};
let reader;`;

/** Writes a frame to a transferred stream every few milliseconds, and closes each that is refused. */
const WRITER = `
onmessage = async ({ data }) => {
  const writer = data.getWriter();
  let ended = false;
  writer.closed.catch(() => undefined).finally(() => { ended = true; });
  for (let timestamp = 0; !ended; timestamp++) {
    const frame = new VideoFrame(new Uint8Array(80 * 48 * 4), { format: 'RGBX', codedWidth: 80, codedHeight: 48, timestamp });
    await writer.write(frame).catch(() => frame.close());
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  gc();
  postMessage('over');
};`;

function startWorker(code: string): { worker: Worker; over: Promise<void> } {
  const worker = new Worker(URL.createObjectURL(new Blob([code], { type: 'text/javascript' })));
  const over = new Promise<void>((resolve) => {
    worker.onmessage = () => resolve();
  });
  return { worker, over };
}

const workers: Worker[] = [];

/** Waits for Chromium's report of lost frames: every ten seconds, from threads that still run. */
async function reported(): Promise<void> {
  (globalThis as unknown as { gc(): void }).gc();
  await sleep(12_000);
  for (const worker of workers.splice(0)) worker.terminate();
}

/** Frames that nobody closes, two in the page and three in a worker: they must be in the log. */
export async function control(): Promise<void> {
  const data = new Uint8Array(80 * 48 * 4);
  const frame = { format: 'RGBX', codedWidth: 80, codedHeight: 48, timestamp: 0 } as const;
  for (let i = 0; i < 2; i++) new VideoFrame(data, frame);
  const code = `for (let i = 0; i < 3; i++) new VideoFrame(new Uint8Array(${data.length}), ${JSON.stringify(frame)});
    setTimeout(() => { gc(); postMessage('over'); }, 100);`;
  const { worker, over } = startWorker(code);
  await over;
  workers.push(worker);
  await sleep(100);
  await reported();
}

/** Feeds a track until it is stopped; closes what is refused. */
async function feed(generator: MediaStreamTrackGenerator<VideoFrame>): Promise<void> {
  const writer = generator.writable.getWriter();
  for (let timestamp = 0; generator.readyState === 'live'; timestamp++) {
    const data = new Uint8Array(80 * 48 * 4);
    const frame = new VideoFrame(data, { format: 'RGBX', codedWidth: 80, codedHeight: 48, timestamp });
    await writer.write(frame).catch(() => frame.close());
    await sleep(2);
  }
}

/** A worker reads a track of the page, and cancels while it goes on. */
export async function cancelled(count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const generator = new MediaStreamTrackGenerator({ kind: 'video' });
    void feed(generator);
    const { worker, over } = startWorker(READER);
    const { readable } = new MediaStreamTrackProcessor({ track: generator, maxBufferSize: 1 });
    worker.postMessage(readable, [readable as unknown as Transferable]);
    await sleep(20 + (i % 20));
    worker.postMessage('cancel');
    await over;
    generator.stop();
    workers.push(worker);
  }
  await reported();
}

/** A worker writes a track that the page reads and stops. */
export async function stopped(count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const generator = new MediaStreamTrackGenerator({ kind: 'video' });
    const { worker, over } = startWorker(WRITER);
    const { writable } = generator;
    worker.postMessage(writable, [writable as unknown as Transferable]);
    const reader = new MediaStreamTrackProcessor({ track: generator, maxBufferSize: 8 }).readable.getReader();
    const reading = (async () => {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        value.close();
      }
    })();
    await sleep(20 + (i % 20));
    generator.stop();
    await reading;
    await over;
    workers.push(worker);
  }
  await reported();
}
