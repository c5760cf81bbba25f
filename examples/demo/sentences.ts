import type { Level, SupportReport, UpscaleStats } from 'mana-upscale';
import type { SourceKind } from './settings.js';

const NAMES: Readonly<Record<SourceKind, string>> = {
  scene: 'the built-in scene',
  camera: 'the camera',
  screen: 'the screen',
  file: 'the file',
  remote: 'the remote track',
};

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
  const name = backend === 'webgpu' ? 'WebGPU' : backend.toUpperCase();
  return backendDescription ? `${name} (${backendDescription})` : name;
}
