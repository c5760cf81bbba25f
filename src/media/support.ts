/**
 * How a track's frames are reached:
 * - `streams`: MediaStreamTrackProcessor and -Generator in the page, their streams transferred to the worker (Chromium).
 * - `worker-track`: a clone of the track transferred, both ends in the worker (Safari).
 * - `element`: a video element in, a canvas out (Firefox). Stalls with the page in the background.
 */
export type TrackPath = 'streams' | 'worker-track' | 'element';

/** What this browser can do. */
export interface SupportReport {
  /** Whether upscaling works here. */
  readonly supported: boolean;
  /** What is missing, as a sentence; empty when supported. */
  readonly reason: string;
  /** How tracks are read and made here, or `null`. */
  readonly path: TrackPath | null;
  /** Whether the browser has WebGPU at all. Whether it computes rightly is found out when the network starts. */
  readonly webgpu: boolean;
  /** Whether WASM may use threads: the page is cross-origin isolated. */
  readonly wasmThreads: boolean;
}

/** What upscaling needs and whether it is here. Starts nothing, and works where there is no page. */
export function supportReport(): SupportReport {
  const missing = missingFeature();
  const path = missing ? null : trackPath();
  const reason = missing
    ? `This browser has no ${missing}.`
    : path
      ? ''
      : 'This browser gives no access to the frames of a video track.';
  return {
    supported: reason === '',
    reason,
    path,
    webgpu: typeof navigator !== 'undefined' && 'gpu' in navigator,
    wasmThreads: globalThis.crossOriginIsolated === true,
  };
}

/** Whether `upscaleTrack` and `manaUpscale` work in this browser. {@link supportReport} says why not. */
export function isSupported(): boolean {
  return supportReport().supported;
}

function missingFeature(): string | undefined {
  for (const name of ['Worker', 'WebAssembly', 'VideoFrame', 'OffscreenCanvas', 'MediaStreamTrack'] as const) {
    if (!(name in globalThis)) return name;
  }
  return undefined;
}

/** How this browser's tracks are reached. */
export function trackPath(): TrackPath | null {
  if ('MediaStreamTrackProcessor' in globalThis && 'MediaStreamTrackGenerator' in globalThis) return 'streams';
  if (typeof HTMLCanvasElement === 'undefined' || !('captureStream' in HTMLCanvasElement.prototype)) return null;
  if (tracksTransfer()) return 'worker-track';
  return 'requestVideoFrameCallback' in HTMLVideoElement.prototype ? 'element' : null;
}

let transfer: boolean | undefined;

/** Whether a track can be transferred to a worker: tried once with one of a canvas. */
function tracksTransfer(): boolean {
  if (transfer !== undefined) return transfer;
  const canvas = document.createElement('canvas');
  canvas.getContext('2d');
  const track = canvas.captureStream().getVideoTracks()[0];
  const { port1, port2 } = new MessageChannel();
  try {
    port1.postMessage(track, [track as unknown as Transferable]);
    transfer = true;
  } catch {
    transfer = false;
  }
  track?.stop();
  port1.close();
  port2.close();
  return transfer;
}
