import { upscaleStream } from '/dist/index.js';
import { until } from './sources.js';

/** Tells when each of its two inputs begins to be loud after silence, in milliseconds of the context's time. */
const PROBE = `registerProcessor('probe', class extends AudioWorkletProcessor {
  quiet = [Infinity, Infinity];
  samples = 0;
  process(inputs) {
    inputs.forEach(([input], side) => input?.forEach((sample, i) => {
      if (Math.abs(sample) < 0.1) this.quiet[side]++;
      else {
        if (this.quiet[side] > sampleRate / 5) this.port.postMessage([side, (this.samples + i) / sampleRate * 1000]);
        this.quiet[side] = 0;
      }
    }));
    this.samples += 128;
    return true;
  }
});`;

/** Delays that a probe hears from one track to another, until both have been loud `count` times. */
async function probe(from: MediaStreamTrack, to: MediaStreamTrack, count: number): Promise<number[]> {
  const context = new AudioContext();
  await context.audioWorklet.addModule(URL.createObjectURL(new Blob([PROBE], { type: 'text/javascript' })));
  const node = new AudioWorkletNode(context, 'probe', { numberOfInputs: 2 });
  const heard: [number[], number[]] = [[], []];
  node.port.onmessage = ({ data: [side, ms] }: MessageEvent<[0 | 1, number]>) => heard[side].push(ms);
  [from, to].forEach((track, side) => {
    context.createMediaStreamSource(new MediaStream([track])).connect(node, 0, side);
  });
  node.connect(context.destination);
  await context.resume();
  await until('beeps', () => heard[1].length > count);
  await context.close();
  return heard[0].flatMap((at) => {
    const next = heard[1].find((later) => later >= at && later < at + 700);
    return next === undefined ? [] : [next - at];
  });
}

/**
 * A canvas and an oscillator that beeps once a second; how late the beeps are beside the source's.
 * @param count of beeps
 * @param nearMs how near to the video's delay the audio's must be before they are heard
 */
export async function delayed(
  count: number,
  nearMs = Number.POSITIVE_INFINITY,
): Promise<{
  before: number;
  beeps: number;
  audioMs: number;
  toldMs: number;
  offsetMs: number;
  tracks: string[];
}> {
  const canvas = document.createElement('canvas');
  canvas.width = 80;
  canvas.height = 48;
  const picture = canvas.getContext('2d') as CanvasRenderingContext2D;
  let tick = 0;
  const timer = setInterval(() => {
    picture.fillStyle = tick % 2 ? '#357' : '#753';
    picture.fillRect(0, 0, 80, 48);
    picture.fillStyle = '#fff';
    picture.fillRect(tick++ % 60, 10, 12, 12);
  }, 100);
  const [video] = canvas.captureStream().getVideoTracks() as [MediaStreamTrack];
  const context = new AudioContext();
  const oscillator = new OscillatorNode(context, { frequency: 600 });
  const gain = new GainNode(context, { gain: 0 });
  const output = new MediaStreamAudioDestinationNode(context);
  oscillator.connect(gain).connect(output);
  oscillator.start();
  for (let i = 0; i < 120; i++) gain.gain.setValueAtTime(0.8, i).setValueAtTime(0, i + 0.06);
  const [audio] = output.stream.getAudioTracks() as [MediaStreamTrack];

  const options = { backend: 'wasm', model: 'mana-nano-x2', budgetMs: 4000, minFrameRate: 0 } as const;
  const upscaled = await upscaleStream(new MediaStream([video, audio]), options);
  const before = upscaled.audioDelayMs ?? Number.NaN;
  await until('the delayed audio', () => upscaled.audio === 'delayed');
  // Three frames of lookahead at ten frames a second.
  await until(
    'the delay',
    () => (upscaled.audioDelayMs ?? 0) > 200 && Math.abs(upscaled.audioOffsetMs ?? 999) < nearMs,
  );
  const [late] = upscaled.stream.getAudioTracks() as [MediaStreamTrack];
  const all = (await probe(audio, late, count)).sort((a, b) => a - b);
  const result = {
    before,
    beeps: all.length,
    audioMs: all[all.length >> 1] ?? Number.NaN,
    toldMs: upscaled.audioDelayMs ?? Number.NaN,
    offsetMs: upscaled.audioOffsetMs ?? Number.NaN,
  };
  upscaled.dispose();
  const tracks = [upscaled.video.track, late, video, audio].map(({ readyState }): string => readyState);
  clearInterval(timer);
  await context.close();
  return { ...result, tracks };
}
