/**
 * A call between two browsers: one sends pictures with their numbers written in them, the other upscales what it receives.
 * For a browser whose tracks carry no timestamps, and whose pages make no pictures of their own when nobody looks.
 */
import { type UpscaledTrack, type UpscaleStats, upscaleTrack } from '/dist/index.js';
import { psnr, sleep, until, view } from './sources.js';

const SIZE = { width: 160, height: 96 } as const;
const INTERVAL_MS = 66;
/** Bits of a frame's number, white or black cells in the bottom row. */
const BITS = 8;
/** After so many frames the pan, and its numbers, begin again. */
const PERIOD = 200;
const CELL = 16;
/** A chain of timers of the window, which browsers slow down where nobody looks. */
const TICK_MS = 100;

/** Number of the frame that the sender shows now: both ends read it off one clock, that of the machine. */
function numberNow(): number {
  return Math.floor(Date.now() / INTERVAL_MS) % PERIOD;
}

/** A description with all its candidates in it, so that it is all that needs to be passed on. */
async function described(connection: RTCPeerConnection): Promise<string> {
  await connection.setLocalDescription();
  await until('the candidates', () => connection.iceGatheringState === 'complete');
  return JSON.stringify(connection.localDescription);
}

let sender: RTCPeerConnection | undefined;

/** Sends the pan until the page is closed. Gives an offer. */
export async function send(): Promise<string> {
  // A page that may use a camera may tell its addresses.
  await navigator.mediaDevices.getUserMedia({ video: true });
  const canvas = document.createElement('canvas');
  Object.assign(canvas, SIZE);
  const context = canvas.getContext('2d') as CanvasRenderingContext2D;
  const draw = async (): Promise<void> => {
    const index = numberNow();
    context.putImageData(await view(index, SIZE.width, SIZE.height), 0, 0);
    for (let bit = 0; bit < BITS; bit++) {
      context.fillStyle = (index >> bit) & 1 ? '#fff' : '#000';
      context.fillRect(bit * CELL, SIZE.height - CELL, CELL, CELL);
    }
  };
  await draw();
  setInterval(draw, INTERVAL_MS);
  sender = new RTCPeerConnection();
  const stream = canvas.captureStream();
  for (const track of stream.getTracks()) sender.addTrack(track, stream);
  return described(sender);
}

/** The sender takes the receiver's answer. */
export async function accept(answer: string): Promise<void> {
  await sender?.setRemoteDescription(JSON.parse(answer));
}

/** What the receiving page knows. */
interface Receiver {
  readonly upscaled: UpscaledTrack;
  readonly connection: RTCPeerConnection;
  readonly video: HTMLVideoElement;
  readonly received: HTMLVideoElement;
  readonly visibility: { readonly ms: number; readonly state: DocumentVisibilityState }[];
  readonly ticks: number[];
  readonly stats: { readonly ms: number; readonly stats: UpscaleStats }[];
}

let connection: RTCPeerConnection | undefined;
let remote: Promise<MediaStreamTrack> | undefined;
let receiver: Receiver | undefined;

/** Takes the sender's offer. Gives the answer. */
export async function answer(offer: string): Promise<string> {
  const made = new RTCPeerConnection();
  connection = made;
  remote = new Promise((resolve) => {
    made.ontrack = ({ track }) => resolve(track);
  });
  await made.setRemoteDescription(JSON.parse(offer));
  return described(made);
}

/** Upscales what the other page sends, until the network makes the picture. */
export async function upscale(): Promise<void> {
  const track = await remote;
  if (!connection || !track) throw new Error('answer() comes first');
  const received = await play(track);
  const upscaled = await upscaleTrack(track, {
    backend: 'wasm',
    model: 'mana-nano-x2',
    lookahead: 0,
    budgetMs: 1000,
    minFrameRate: 0,
  });
  const made: Receiver = {
    upscaled,
    connection,
    received,
    video: await play(upscaled.track),
    visibility: [{ ms: performance.now(), state: document.visibilityState }],
    ticks: [],
    stats: [],
  };
  receiver = made;
  document.addEventListener('visibilitychange', () => {
    made.visibility.push({ ms: performance.now(), state: document.visibilityState });
  });
  upscaled.stats$.subscribe((stats) => made.stats.push({ ms: performance.now(), stats }));
  const tick = (): void => {
    made.ticks.push(performance.now());
    setTimeout(tick, TICK_MS);
  };
  tick();
  await until('the network', () => upscaled.stats().backend === 'wasm');
  await sleep(1000);
}

async function play(track: MediaStreamTrack): Promise<HTMLVideoElement> {
  const video = document.createElement('video');
  video.muted = true;
  video.srcObject = new MediaStream([track]);
  document.body.append(video);
  await video.play();
  return video;
}

/** What a video element shows. */
export interface Shown {
  readonly index: number;
  /** Frames behind what the sender shows. */
  readonly behind: number;
  /** Against the truth, in dB, below the numbers' row left out. */
  readonly psnr: number;
}

/** Looks at the upscaled picture, and at the received one, `count` times. */
export async function look(count: number): Promise<{ upscaled: Shown[]; received: Shown[] }> {
  const { video, received } = known();
  const looks = { upscaled: [] as Shown[], received: [] as Shown[] };
  for (let i = 0; i < count; i++) {
    looks.upscaled.push(await shown(video, 2));
    looks.received.push(await shown(received, 1));
    await sleep(INTERVAL_MS);
  }
  return looks;
}

async function shown(video: HTMLVideoElement, scale: number): Promise<Shown> {
  const [width, height] = [SIZE.width * scale, SIZE.height * scale];
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext('2d', { willReadFrequently: true }) as OffscreenCanvasRenderingContext2D;
  context.drawImage(video, 0, 0, width, height);
  const now = numberNow();
  const { data } = context.getImageData(0, 0, width, height);
  let index = 0;
  for (let bit = 0; bit < BITS; bit++) {
    const at = ((height - (CELL * scale) / 2) * width + (bit + 0.5) * CELL * scale) * 4;
    if ((data[at] as number) > 127) index |= 1 << bit;
  }
  const truth = (await view(index, width, height, 2 / scale)).data;
  const rows = (height - CELL * scale * 2) * width * 4;
  return {
    index,
    behind: (now - index + PERIOD) % PERIOD,
    psnr: psnr(data.subarray(0, rows), truth.subarray(0, rows)),
  };
}

/** What happened since {@link upscale}. Ends the stream. */
export async function hangUp(): Promise<{
  states: string[];
  hiddenMs: number;
  ticksPerSecond: number;
  /** Frames that came into the pipeline while the page was hidden, and neither left it nor were dropped. */
  inside: number;
  resetsBefore: UpscaleStats['windowResets'];
  resetsAfter: UpscaleStats['windowResets'];
}> {
  const { upscaled, connection, visibility, ticks, stats } = known();
  const from = visibility.find(({ state }) => state === 'hidden')?.ms ?? Number.NaN;
  const to = visibility.find(({ ms, state }) => ms > from && state === 'visible')?.ms ?? Number.NaN;
  const at = (ms: number): UpscaleStats => stats.findLast((sample) => sample.ms <= ms)?.stats ?? upscaled.stats();
  const [before, after] = [at(from), at(to)];
  const sum = (counts: Readonly<Record<string, number>>): number => Object.values(counts).reduce((a, b) => a + b, 0);
  const inside = ({ framesReceived, framesByLevel, framesDropped }: UpscaleStats): number =>
    framesReceived - sum(framesByLevel) - sum(framesDropped);
  const result = {
    states: visibility.map(({ state }) => state),
    hiddenMs: to - from,
    ticksPerSecond: (ticks.filter((ms) => ms >= from && ms < to).length / (to - from)) * 1000,
    inside: inside(after) - inside(before),
    resetsBefore: before.windowResets,
    resetsAfter: upscaled.stats().windowResets,
  };
  upscaled.dispose();
  connection.close();
  await sleep(500);
  return result;
}

function known(): Receiver {
  if (!receiver) throw new Error('upscale() comes first');
  return receiver;
}
