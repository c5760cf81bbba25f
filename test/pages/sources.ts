/** Sources of known pictures for test pages: crops of a real photograph that pan. */

const photo = fetch('/test/fixtures/picture.jpg')
  .then((response) => response.blob())
  .then((blob) => createImageBitmap(blob));

/** Where the camera of frame `index` looks: a pan over the photograph, two pixels a frame, turning back at the ends. */
export function corner(index: number): [left: number, top: number] {
  const there = (index * 2) % 400;
  return [200 + (there < 200 ? there : 400 - there), 100 + (there < 200 ? there : 400 - there) / 4];
}

/**
 * Draws frame `index` of the pan at a size: the same view at every size, `zoom` picture pixels a pixel.
 * @returns RGBA bytes
 */
export async function view(index: number, width: number, height: number, zoom = 2): Promise<ImageData> {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (!context) throw new Error('no canvas');
  context.imageSmoothingQuality = 'high';
  const [left, top] = corner(index);
  context.drawImage(await photo, left, top, width * zoom, height * zoom, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}

/** A frame of the pan. */
export async function viewFrame(
  index: number,
  width: number,
  height: number,
  timestamp: number,
  zoom = 2,
): Promise<VideoFrame> {
  const { data } = await view(index, width, height, zoom);
  return new VideoFrame(data, { format: 'RGBX', codedWidth: width, codedHeight: height, timestamp });
}

/** A track of the pan that is fed one frame every `intervalMs`; `sizeOf` gives each frame's size. */
export function panTrack(
  count: number,
  intervalMs: number,
  sizeOf: (index: number) => [width: number, height: number, zoom: number],
): { track: MediaStreamTrack; done: Promise<void> } {
  const generator = new MediaStreamTrackGenerator({ kind: 'video' });
  const writer = generator.writable.getWriter();
  const feed = async (): Promise<void> => {
    for (let index = 0; index < count; index++) {
      const [width, height, zoom] = sizeOf(index);
      const frame = await viewFrame(index, width, height, index * 40_000, zoom);
      await writer.write(frame).catch(() => frame.close());
      if (generator.readyState === 'ended') return;
      await new Promise((resolve) => setTimeout(resolve, intervalMs));
    }
    await writer.close().catch(() => undefined);
  };
  return { track: generator, done: feed() };
}

/** RGBX bytes of a frame. Closes it. */
export async function bytesOf(frame: VideoFrame): Promise<Uint8Array> {
  const bytes = new Uint8Array(frame.allocationSize({ format: 'RGBX' }));
  await frame.copyTo(bytes, { format: 'RGBX' });
  frame.close();
  return bytes;
}

/**
 * Reads all frames of a track until it ends. The reader owns and closes them. It has room for a burst: by default a
 * processor keeps only the newest frame for a reader that is busy.
 */
export async function eachFrame(track: MediaStreamTrack, take: (frame: VideoFrame) => Promise<boolean>): Promise<void> {
  const reader = new MediaStreamTrackProcessor({
    track: track as MediaStreamVideoTrack,
    maxBufferSize: 8,
  }).readable.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    if (!(await take(value))) {
      void drain(reader);
      return;
    }
  }
}

/** Closes all that is still to come until the track ends: a stream that is cancelled forgets a frame that waits in it. */
export async function drain(reader: ReadableStreamDefaultReader<VideoFrame>): Promise<void> {
  for (;;) {
    const { value } = await reader.read();
    if (!value) return;
    value.close();
  }
}

/** Peak signal-to-noise ratio in dB over R, G and B of 4-byte pixels. */
export function psnr(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) throw new Error(`${a.length} bytes against ${b.length}`);
  let sum = 0;
  for (let i = 0; i < a.length; i++) if (i % 4 !== 3) sum += ((a[i] as number) - (b[i] as number)) ** 2;
  // Equal pictures are 99 dB, so that the figure survives the way out of the page.
  return Math.min(99, 10 * Math.log10((255 ** 2 * a.length * 0.75) / sum));
}

/** Bytes as text that survives the way out of the page. */
export function base64(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 0x8000) text += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  return btoa(text);
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Waits until something holds; an error with its name after `seconds`, so that a test cannot hang. */
export async function until(what: string, holds: () => boolean, seconds = 240): Promise<void> {
  const end = performance.now() + seconds * 1000;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`Waited ${seconds} seconds in vain: ${what}.`);
    await sleep(5);
  }
}
