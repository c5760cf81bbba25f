import type { FallbackEvent, Level, LevelEvent, LevelNumbers, SupportReport, UpscaleStats } from 'mana-upscale';
import type { Settings, SourceKind } from './settings.js';

const NAMES: Readonly<Record<SourceKind, string>> = {
  scene: 'the built-in scene',
  camera: 'the camera',
  screen: 'the screen',
  file: 'the file',
  remote: 'the remote track',
};

/** Options that need not be written down, because the package takes them anyway. */
const DEFAULTS: readonly string[] = ['model=auto', 'backend=auto', 'lookahead=3', 'budgetMs=200', 'minFrameRate=15'];

/** What `fallback` events speak of, as people call it. */
const THINGS: Readonly<Record<string, string>> = {
  network: 'the network',
  'webgpu-native': 'our WebGPU kernels',
  webgpu: 'ONNX Runtime on WebGPU',
  wasm: 'WASM, on the processor',
  fast: 'the browser’s own scaling',
  ended: 'nothing, the stream is over',
};

/** The rungs of the ladder, best first, and what makes the picture there. */
export const LEVELS: readonly (readonly [Level, string])[] = [
  ['full', 'the network, with all the lookahead asked for'],
  ['short', 'the network, with less lookahead'],
  ['small', 'a smaller network'],
  ['fast', 'the browser’s own scaling'],
  ['pass-through', 'the source as it is'],
];

/** What went wrong with a source, as one sentence for the person who chose it. */
export function sourceSentence(kind: SourceKind, thrown: unknown): string {
  const name = NAMES[kind];
  const error = thrown instanceof Error || thrown instanceof DOMException ? thrown : new Error(String(thrown));
  switch (error.name) {
    case 'NotAllowedError':
      return `The browser did not allow ${name}: allow it beside the page's address, then choose it again.`;
    case 'NotFoundError':
      return kind === 'camera' ? 'No camera was found.' : error.message;
    case 'NotReadableError':
      return `The browser could not read ${name}: another program may be using it.`;
    default:
      return error.message || `It was not possible to open ${name}.`;
  }
}

/** Why there is no upscaling at all. */
export function upscaleSentence(thrown: unknown): string {
  const message = thrown instanceof Error || thrown instanceof DOMException ? thrown.message : String(thrown);
  return `Upscaling could not start: ${message}`;
}

/** What WebGPU means for this browser; empty where it may be there. */
export function webgpuSentence({ webgpu, wasmThreads }: SupportReport): string {
  const threads = wasmThreads ? '' : ' The page is not cross-origin isolated, so it runs on one thread.';
  return webgpu ? threads.trim() : `This browser has no WebGPU: the network runs on the processor, by WASM.${threads}`;
}

/** Why the network does not run on WebGPU although the browser has it. */
export function fallbackSentence(reason: string): string {
  return `The network runs on the processor, by WASM: ${reason}`;
}

/** What makes the picture now. */
export function levelSentence(stats: UpscaleStats): string {
  if (stats.framesDelivered === 0) return 'Waiting for the first frame.';
  const network = `${stats.model ?? 'a model'} on ${backendName(stats)}`;
  const sentences: Record<Level, string> = {
    full: `The network makes this picture: ${network}.`,
    short: `The network makes this picture, with less lookahead than asked for: ${network}.`,
    small: `A smaller network makes this picture: ${network}.`,
    fast: "The browser's own scaler makes this picture: the network is not ready, or cannot be used now.",
    'pass-through': 'The source passes as it is.',
  };
  return sentences[stats.level];
}

/** The backend as people call it, with its description. */
export function backendName({ backend, backendDescription }: UpscaleStats): string {
  if (backend === null) return 'none';
  const name = backend.startsWith('webgpu') ? 'WebGPU' : backend.toUpperCase();
  return backendDescription ? `${name} (${backendDescription})` : name;
}

/** Whether a network makes the picture of a level. */
export function isNetwork(level: Level): boolean {
  return level !== 'fast' && level !== 'pass-through';
}

/** A change of level, or of the lookahead alone. `awayMs`: how long the network was away that is back now. */
export function levelNews({ from, to, numbers }: LevelEvent, awayMs: number | null): string {
  if (from === to) return `Still ${to}, now with ${framesOf(numbers?.lookahead ?? 0)} of lookahead.`;
  const news = `From ${from} to ${to}.`;
  return awayMs === null ? news : `${news} The network was away for ${seconds(awayMs)}.`;
}

/** Something that was wanted and cannot be had. */
export function fallbackNews({ from, to }: FallbackEvent): string {
  const name = (word: string): string => THINGS[word] ?? word;
  return `Wanted: ${name(from)}. Taken: ${name(to)}.`;
}

/** The numbers behind a change of level. */
export function numbersSentence({ costMs, intervalMs, delayMs, budgetMs, lookahead }: LevelNumbers): string {
  return [
    costMs === null ? '' : `cost ${ms(costMs)} a frame`,
    `a frame every ${ms(intervalMs)}`,
    delayMs === null ? '' : `delay expected at the level before ${ms(delayMs)}`,
    `budget ${ms(budgetMs)}`,
    `lookahead ${framesOf(lookahead)}`,
  ]
    .filter(Boolean)
    .join(' · ');
}

/** How far the network looks ahead, and how far it should. */
export function lookaheadSentence({ level, lookahead }: UpscaleStats, wanted: number): string {
  if (!isNetwork(level)) return `none: no network makes the picture (${wanted} wanted)`;
  return `${framesOf(lookahead)} now, ${wanted} wanted`;
}

/** Milliseconds as seconds with a decimal. */
export function seconds(value: number): string {
  return `${(value / 1000).toFixed(1)} s`;
}

function ms(value: number): string {
  return `${value.toFixed(value < 10 ? 1 : 0)} ms`;
}

function framesOf(count: number): string {
  return count === 1 ? '1 frame' : `${count} frames`;
}

/** The options as a person would write them, less those that are the package's own. */
export function codeOptions(upscale: Settings['upscale']): string {
  return Object.entries(upscale)
    .filter(([name, value]) => name === 'scale' || !DEFAULTS.includes(`${name}=${value}`))
    .map(([name, value]) => `${name}: ${typeof value === 'string' ? `'${value}'` : value}`)
    .join(', ');
}
