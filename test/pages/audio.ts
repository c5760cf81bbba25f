import { type AudioState, type UpscaledStream, type UpscaleStreamOptions, upscaleStream } from '/dist/index.js';
import { beeps, type Clapper, clapper, delays, flashes, median } from './clapper.js';
import { sleep, until } from './sources.js';

/** Small enough for the network to keep up with 25 frames a second on a slow machine. */
const SMALL = [80, 48] as const;
const OPTIONS = { backend: 'wasm', model: 'mana-nano-x2', threads: 1, budgetMs: 2000, minFrameRate: 0 } as const;

/** Every context that is made from now on. */
const contexts: AudioContext[] = [];
globalThis.AudioContext = class extends AudioContext {
  constructor(options?: AudioContextOptions) {
    super(options);
    contexts.push(this);
  }
};

const start = async (
  options: UpscaleStreamOptions = {},
): Promise<{ source: Clapper; stream: MediaStream; upscaled: UpscaledStream }> => {
  const source = clapper(...SMALL);
  const stream = new MediaStream([source.video, source.audio]);
  return { source, stream, upscaled: await upscaleStream(stream, { ...OPTIONS, ...options }) };
};

const audioOf = (stream: MediaStream): MediaStreamTrack => stream.getAudioTracks()[0] as MediaStreamTrack;

/** Whether the audio is where it should be, by its own account. Not even without delay is it there at once. */
const settled = ({ audioOffsetMs, audioDelayMs }: UpscaledStream): boolean =>
  audioOffsetMs !== null && (Math.abs(audioOffsetMs) < 8 || (audioDelayMs ?? 99) < 25);

/** Flashes and beeps, where they come in and where they go out, while the network runs and after it was left. */
export async function flashAndBeep(count: number): Promise<Record<'network' | 'passThrough', Measured>> {
  const { source, upscaled } = await start({ size: { width: 160, height: 96 } });
  await until('the delayed audio', () => upscaled.audio === 'delayed');
  const measure = async (level: string, lookahead: number): Promise<Measured> => {
    // The delay grows by a frame at a time.
    const there = (): boolean => {
      const stats = upscaled.video.stats();
      return stats.level === level && stats.lookahead === lookahead;
    };
    await until(level, there);
    // The median of the delays needs frames to go by.
    await sleep(1000);
    await until('the delay', () => settled(upscaled));
    const watches = [
      flashes(source.video),
      flashes(upscaled.video.track),
      beeps(source.audio),
      beeps(audioOf(upscaled.stream)),
    ] as const;
    const [seen, seenLate, heard, heardLate] = watches;
    await until('flashes and beeps', () => seenLate.at.length > count && heardLate.at.length > count);
    for (const { stop } of watches) stop();
    const video = delays(seen, seenLate);
    const audio = delays(heard, heardLate);
    const offsets = video.flatMap(({ at, ms }) => {
      const beep = audio.find((other) => Math.abs(other.at - at) < 200);
      return beep ? [beep.ms - ms] : [];
    });
    return {
      offsetMs: median(offsets),
      count: offsets.length,
      videoMs: median(video.map(({ ms }) => ms)),
      audioMs: median(audio.map(({ ms }) => ms)),
      toldVideoMs: upscaled.video.stats().addedDelayMs.p50,
      toldAudioMs: upscaled.audioDelayMs ?? Number.NaN,
    };
  };
  const network = await measure('full', 3);
  source.size = [160, 96];
  const passThrough = await measure('pass-through', 0);
  upscaled.dispose();
  source.stop();
  return { network, passThrough };
}

/** How long the audio is held back, by its own account, while the network looks ahead and once it was left. */
export async function followed(): Promise<{ states: string[]; ahead: number; after: number }> {
  const { source, upscaled } = await start({ size: { width: 160, height: 96 } });
  const states: string[] = [];
  const reach = async (what: string, holds: (audioMs: number) => boolean): Promise<number> => {
    await until(what, () => upscaled.audio === 'delayed' && holds(upscaled.audioDelayMs ?? Number.NaN));
    states.push(describe(upscaled, source.audio));
    return upscaled.audioDelayMs ?? Number.NaN;
  };
  await until('the whole lookahead', () => upscaled.video.stats().lookahead === 3);
  const ahead = await reach('the delayed audio', (ms) => ms > 100);
  source.size = [160, 96];
  await until('pass-through', () => upscaled.video.stats().level === 'pass-through');
  const after = await reach('the audio that follows', (ms) => ms < ahead / 2);
  upscaled.dispose();
  source.stop();
  return { states, ahead, after };
}

/** What was seen and heard, all in milliseconds, beside what the package tells of it. */
export interface Measured {
  readonly offsetMs: number;
  readonly count: number;
  readonly videoMs: number;
  readonly audioMs: number;
  readonly toldVideoMs: number;
  readonly toldAudioMs: number;
}

/** The stream in words: how its audio leaves, whether that is the source's track, and how its tracks are. */
const describe = (upscaled: UpscaledStream, source: MediaStreamTrack): string => {
  const [track, ...more] = upscaled.stream.getAudioTracks();
  return `${upscaled.audio} ${track === source ? 'source' : 'ours'} ${track?.readyState}${more.length ? ' and more' : ''}`;
};

let waiting: { source: Clapper; upscaled: UpscaledStream; events: string[] } | undefined;

/** Starts a stream on a page that nobody has touched. */
export async function untouched(): Promise<string> {
  const { source, upscaled } = await start();
  const events: string[] = [];
  upscaled.addEventListener('audio', ({ detail }) => events.push(`${detail.from} ${detail.to}`));
  waiting = { source, upscaled, events };
  await until('frames', () => upscaled.video.stats().framesDelivered > 10);
  return `${describe(upscaled, source.audio)}: ${upscaled.audioReason} ${upscaled.audioOffsetMs}`;
}

/** After the click. */
export async function touched(): Promise<{ now: string; events: string[]; source: string }> {
  if (!waiting) throw new Error('not started');
  const { source, upscaled, events } = waiting;
  await until('the delayed audio', () => upscaled.audio === 'delayed');
  const now = describe(upscaled, source.audio);
  upscaled.dispose();
  const state = source.audio.readyState;
  source.stop();
  return { now, events, source: state };
}

/** A context of the user's stops, runs on and is closed; and what is left after the end. */
export async function contextOfTheUser(): Promise<{ steps: string[]; events: string[]; afterwards: string[] }> {
  const audioContext = new AudioContext();
  const { source, stream, upscaled } = await start({ audioContext });
  const events: string[] = [];
  upscaled.addEventListener('audio', ({ detail }) => events.push(`${detail.from} ${detail.to}: ${detail.reason}`));
  const steps: string[] = [];
  const reach = async (state: AudioState): Promise<void> => {
    await until(state, () => upscaled.audio === state);
    steps.push(describe(upscaled, source.audio));
  };
  const made = contexts.length;
  await reach('delayed');
  const first = audioOf(upscaled.stream);
  await audioContext.suspend();
  await reach('original');
  await audioContext.resume();
  await reach('delayed');
  const second = audioOf(upscaled.stream);
  upscaled.dispose();
  steps.push(`${audioContext.state} ${upscaled.audio}`);
  const again = await upscaleStream(stream, { ...OPTIONS, audioContext });
  await until('delayed', () => again.audio === 'delayed');
  await audioContext.close();
  await until('original', () => again.audio === 'original');
  steps.push(describe(again, source.audio));
  again.dispose();
  const tracks = [first, second, upscaled.video.track, source.audio, source.video];
  const afterwards = tracks.map(({ readyState }): string => readyState);
  source.stop();
  if (contexts.length !== made) afterwards.push('a context of our own');
  return { steps, events, afterwards };
}

/** Two streams share one context, which is closed with the last; one ends by its signal. */
export async function release(): Promise<{ states: string[]; tracks: string[]; sources: string[] }> {
  const before = contexts.length;
  const abort = new AbortController();
  const first = await start({ signal: abort.signal });
  const second = await start();
  const made = contexts.slice(before);
  await until('delayed', () => first.upscaled.audio === 'delayed' && second.upscaled.audio === 'delayed');
  const tracks = [first, second].flatMap(({ upscaled }) => upscaled.stream.getTracks());
  const states: string[] = [];
  const look = (): void => {
    // Two of them are the clappers' own.
    states.push(made.map(({ state }) => state).join(' '));
  };
  look();
  abort.abort();
  await until('the end of the first', () => first.upscaled.audio === 'none');
  look();
  second.upscaled.dispose();
  await until('a closed context', () => made.some(({ state }) => state === 'closed'));
  look();
  const sources = [first, second].flatMap(({ stream }) => stream.getTracks().map((track) => track.readyState));
  first.source.stop();
  second.source.stop();
  return { states, tracks: tracks.map((track) => track.readyState), sources };
}

/** Streams that lack something, and arguments that are wrong. */
export async function wanting(): Promise<Record<string, string>> {
  const source = clapper(...SMALL);
  const before = contexts.length;
  const silent = await upscaleStream(new MediaStream([source.video]), OPTIONS);
  const tracks = silent.stream.getTracks().length;
  const audio = `${silent.audio} ${silent.audioDelayMs} ${silent.audioOffsetMs} ${tracks} ${contexts.length - before}`;
  silent.dispose();
  const both = new MediaStream([source.video, source.audio]);
  const error = (stream: unknown, options: unknown = {}): Promise<string> =>
    upscaleStream(stream as MediaStream, options as UpscaleStreamOptions).then(
      () => 'none',
      (thrown) => String(thrown),
    );
  const lost = await upscaleStream(both, { ...OPTIONS, assets: { audioWorklet: '/nowhere.js' } });
  await until('the failure', () => lost.audioReason.startsWith('The audio worklet'));
  const worklet = `${describe(lost, source.audio)}: ${lost.audioReason}`;
  lost.dispose();
  const peer = new RTCPeerConnection();
  const { receiver } = peer.addTransceiver('audio');
  const results = {
    audio,
    worklet,
    noVideo: await error(new MediaStream([source.audio])),
    noStream: await error(source.video),
    badContext: await error(both, { audioContext: {} }),
    badReceiver: await error(both, { audioReceiver: receiver }),
  };
  peer.close();
  source.stop();
  return results;
}

/** An audio track that ends while its video goes on. */
export async function audioEnds(): Promise<string[]> {
  const { source, upscaled } = await start();
  await until('delayed', () => upscaled.audio === 'delayed');
  const ours = audioOf(upscaled.stream);
  source.audio.stop();
  // Scripts that stop a track hear no event of it; a remote end comes with one.
  source.audio.dispatchEvent(new Event('ended'));
  const states = [describe(upscaled, source.audio), ours.readyState, upscaled.video.track.readyState];
  upscaled.dispose();
  source.stop();
  return states;
}

/** A clapper received by WebRTC; its audio in a stream of its own. */
async function received(): Promise<{ source: Clapper; stream: MediaStream; receiver: Receiver; close: () => void }> {
  const source = clapper(...SMALL);
  const [sender, remote] = [new RTCPeerConnection(), new RTCPeerConnection()];
  sender.onicecandidate = ({ candidate }) => void (candidate && remote.addIceCandidate(candidate));
  remote.onicecandidate = ({ candidate }) => void (candidate && sender.addIceCandidate(candidate));
  for (const track of [source.video, source.audio]) sender.addTrack(track, new MediaStream([track]));
  await sender.setLocalDescription();
  await remote.setRemoteDescription(sender.localDescription as RTCSessionDescription);
  await remote.setLocalDescription();
  await sender.setRemoteDescription(remote.localDescription as RTCSessionDescription);
  const receivers = remote.getReceivers();
  return {
    source,
    stream: new MediaStream(receivers.map(({ track }) => track)),
    receiver: receivers.find(({ track }) => track.kind === 'audio') as Receiver,
    close: () => {
      source.stop();
      sender.close();
      remote.close();
    },
  };
}

type Receiver = RTCRtpReceiver & { jitterBufferTarget: number | null };

/** A receiver's jitter buffer delays its audio. */
export async function jitterBuffer(): Promise<{
  states: string[];
  contexts: number;
  target: number;
  after: number | null;
}> {
  const { source, stream, receiver, close } = await received();
  receiver.jitterBufferTarget = 40;
  const before = contexts.length;
  const upscaled = await upscaleStream(stream, { ...OPTIONS, audioReceiver: receiver });
  // A jitter buffer is idle until somebody listens.
  const player = document.createElement('video');
  player.muted = true;
  player.srcObject = upscaled.stream;
  await player.play();
  await until('the whole lookahead', () => upscaled.video.stats().lookahead === 3);
  await until('the delay', () => (receiver.jitterBufferTarget ?? 0) > 100);
  const states = [describe(upscaled, receiver.track)];
  const target = receiver.jitterBufferTarget ?? 0;
  upscaled.dispose();
  states.push(`${receiver.track.readyState} ${source.audio.readyState}`);
  const after = receiver.jitterBufferTarget;
  player.srcObject = null;
  close();
  return { states, contexts: contexts.length - before, target, after };
}

/** A remote track by way of the worklet: its sound comes out, later. With `exact`, once the delay is what it should be. */
export async function remoteTrack(exact = false): Promise<{ audioMs: number; toldMs: number; count: number }> {
  const { stream, close } = await received();
  const upscaled = await upscaleStream(stream, OPTIONS);
  await until('the network', () => upscaled.audio === 'delayed' && upscaled.video.stats().backend !== null);
  if (exact) {
    await sleep(1000);
    await until('the delay', () => settled(upscaled));
  }
  const [heard, late] = [beeps(audioOf(stream)), beeps(audioOf(upscaled.stream))];
  await until('beeps', () => late.at.length > 5);
  heard.stop();
  late.stop();
  const toldMs = upscaled.audioDelayMs ?? Number.NaN;
  upscaled.dispose();
  close();
  const all = delays(heard, late).map(({ ms }) => ms);
  return { audioMs: median(all), toldMs, count: all.length };
}
