/** A film clapper for test pages: a video that flashes and a sound that beeps at the same instants, and who sees when. */

/** White for this many frames, once in so many. */
const FLASH = { frames: 2, every: 24 } as const;
const BEEP_S = 0.06;

/** A stream that flashes and beeps. */
export interface Clapper {
  readonly video: MediaStreamTrack;
  readonly audio: MediaStreamTrack;
  /** Frames from now on have this size. */
  size: readonly [width: number, height: number];
  stop(): void;
}

/** Starts a clapper, about a flash a second. Its sound is made in a context of its own. */
export function clapper(width: number, height: number, fps = 25): Clapper {
  const frameMs = 1000 / fps;
  const context = new AudioContext();
  const oscillator = new OscillatorNode(context, { frequency: 600 });
  const gain = new GainNode(context, { gain: 0 });
  const output = new MediaStreamAudioDestinationNode(context);
  oscillator.connect(gain).connect(output);
  oscillator.start();
  const generator = new MediaStreamTrackGenerator({ kind: 'video' });
  const writer = generator.writable.getWriter();
  const canvas = new OffscreenCanvas(width, height);
  const picture = canvas.getContext('2d');
  if (!picture) throw new Error('no canvas');
  const start = performance.now();
  let index = 0;
  const draw = (): void => {
    const phase = index % FLASH.every;
    if (phase === 0) {
      const now = context.currentTime;
      gain.gain.setValueAtTime(0.8, now);
      gain.gain.setValueAtTime(0, now + BEEP_S);
    }
    const [wide, high] = made.size;
    if (canvas.width !== wide) canvas.width = wide;
    if (canvas.height !== high) canvas.height = high;
    picture.fillStyle = phase < FLASH.frames ? '#fff' : '#000';
    picture.fillRect(0, 0, wide, high);
    // A spot that moves: no two frames are the same.
    picture.fillStyle = '#777';
    picture.fillRect(index % (wide - 8), high - 8, 8, 8);
    const frame = new VideoFrame(canvas, { timestamp: Math.round(index * frameMs * 1000) });
    writer.write(frame).catch(() => frame.close());
    index++;
    timer = setTimeout(draw, Math.max(0, start + index * frameMs - performance.now()));
  };
  let timer = setTimeout(draw);
  const made: Clapper = {
    video: generator,
    audio: output.stream.getAudioTracks()[0] as MediaStreamTrack,
    size: [width, height],
    stop: () => {
      clearTimeout(timer);
      writer.close().catch(() => undefined);
      oscillator.stop();
      context.close().catch(() => undefined);
    },
  };
  return made;
}

/** Instants, on the page's clock, at which a track was seen to flash or heard to beep; grows until stopped. */
export interface Watch {
  readonly at: number[];
  stop(): void;
}

/** Looks for frames whose middle turns white. */
export function flashes(track: MediaStreamTrack): Watch {
  let white = false;
  return watch<VideoFrame>(track, async (frame, now, at) => {
    const { displayWidth: width, displayHeight: height } = frame;
    const pixels = new Uint8Array(frame.allocationSize({ format: 'RGBX' }));
    await frame.copyTo(pixels, { format: 'RGBX' });
    const bright = (pixels[((height >> 1) * width + (width >> 1)) * 4] as number) > 128;
    if (bright && !white) at.push(now);
    white = bright;
  });
}

/** Looks for the first loud sample after silence. */
export function beeps(track: MediaStreamTrack): Watch {
  let quiet = Number.POSITIVE_INFINITY;
  return watch<AudioData>(track, async (sound, now, at) => {
    const { numberOfFrames, sampleRate } = sound;
    const samples = new Float32Array(numberOfFrames);
    sound.copyTo(samples, { planeIndex: 0, format: 'f32-planar' });
    samples.forEach((sample, i) => {
      if (Math.abs(sample) < 0.15) quiet++;
      else {
        if (quiet > sampleRate / 5) at.push(now - ((numberOfFrames - i) / sampleRate) * 1000);
        quiet = 0;
      }
    });
  });
}

function watch<T extends VideoFrame | AudioData>(
  track: MediaStreamTrack,
  look: (data: T, now: number, at: number[]) => Promise<void>,
): Watch {
  const processor = new MediaStreamTrackProcessor({ track: track as MediaStreamVideoTrack, maxBufferSize: 8 });
  const reader = (processor.readable as unknown as ReadableStream<T>).getReader();
  const at: number[] = [];
  const read = async (): Promise<void> => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      await look(value, performance.now(), at).finally(() => value.close());
    }
  };
  read().catch(() => undefined);
  return { at, stop: () => void reader.cancel() };
}

/** How long after each instant of one watch the next of another came, where one came within `most` milliseconds. */
export function delays(from: Watch, to: Watch, most = 700): { readonly at: number; readonly ms: number }[] {
  return from.at.flatMap((at) => {
    const next = to.at.find((later) => later > at - 10 && later < at + most);
    return next === undefined ? [] : [{ at, ms: next - at }];
  });
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] as number;
}
