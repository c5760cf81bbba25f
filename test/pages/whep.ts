/** A publisher and viewers by WebRTC, whose pictures say which they are: for tests that compare pixels. */
import {
  type MATRIX,
  type NumberedVideo,
  numberedVideo,
  readPicture,
  type SeenPicture,
  toYuv,
} from './numbered-pictures.js';

interface Publisher {
  readonly pc: RTCPeerConnection;
  readonly video: NumberedVideo;
  stop(): void;
}

interface Viewer {
  readonly pc: RTCPeerConnection;
  /** With which the browser shows it, where only that can be looked at. */
  readonly matrix: keyof typeof MATRIX;
  readonly seen: SeenPicture[];
  connectedAtMs: number;
  /** Luma of the last picture. */
  luma: Uint8Array;
  stop(): void;
}

/**
 * What a publisher sends at least, in kbit/s, whatever it takes the path for: a machine that is busy with something else
 * delays packets as a narrow path does, and pictures that few bits are left for are hard to tell from wrong ones.
 */
const LEAST_KBPS = 1000;
/** How long pictures are waited for: a guard against hanging. */
const HANGS_MS = 240_000;

const publishers = new Map<string, Publisher>();
const viewers = new Map<string, Viewer>();

function prefer(transceiver: RTCRtpTransceiver, codec: string): void {
  const all = RTCRtpReceiver.getCapabilities('video')?.codecs ?? [];
  const wanted = all.filter(({ mimeType }) => mimeType.toLowerCase() === `video/${codec}`);
  const rest = all.filter(({ mimeType }) => /rtx|red|ulpfec/i.test(mimeType));
  transceiver.setCodecPreferences([...wanted, ...rest]);
}

/** Starts a publisher; gives its offer. */
export async function publishOffer(
  id: string,
  options: {
    codec: string;
    width: number;
    height: number;
    fps?: number;
    audio?: boolean;
    layers?: number;
    /** I420, base64: published in place of numbered pictures. */
    still?: string;
  },
): Promise<string> {
  const { codec, width, height, fps = 30, audio = true, layers = 1 } = options;
  const still = options.still === undefined ? undefined : fromBase64(options.still);
  const numbered = numberedVideo(width, height, fps, still);
  const pc = new RTCPeerConnection();
  const encodings: RTCRtpEncodingParameters[] = Array.from({ length: layers }, (_, layer) => ({
    ...(layers > 1 ? { rid: `l${layer}`, scaleResolutionDownBy: 2 ** (layers - 1 - layer) } : {}),
    maxBitrate: 1_500_000 / 3 ** (layers - 1 - layer),
  }));
  const video = pc.addTransceiver(numbered.track, { direction: 'sendonly', sendEncodings: encodings });
  prefer(video, codec);
  // A busy browser sends fewer pictures, not smaller ones.
  await video.sender.setParameters({ ...video.sender.getParameters(), degradationPreference: 'maintain-resolution' });
  const sound = audio ? new AudioContext() : undefined;
  if (sound) {
    const oscillator = sound.createOscillator();
    const out = sound.createMediaStreamDestination();
    oscillator.connect(out);
    oscillator.start();
    pc.addTransceiver(out.stream.getAudioTracks()[0]!, { direction: 'sendonly' });
  }
  const stop = (): void => {
    numbered.stop();
    void sound?.close();
    pc.close();
  };
  publishers.set(id, { pc, video: numbered, stop });
  await pc.setLocalDescription();
  return pc.localDescription!.sdp;
}

/** Starts a viewer; gives its offer. Every picture that arrives is looked at. */
export async function watchOffer(
  id: string,
  options: { codec?: string; audio?: boolean; matrix?: keyof typeof MATRIX } = {},
): Promise<string> {
  const pc = new RTCPeerConnection();
  // That of small video, where nothing else is known.
  const { matrix = 'bt601' } = options;
  const viewer: Viewer = { pc, matrix, seen: [], connectedAtMs: 0, luma: new Uint8Array(0), stop: () => pc.close() };
  pc.addEventListener('connectionstatechange', () => {
    if (pc.connectionState === 'connected') viewer.connectedAtMs ||= performance.now();
  });
  const transceiver = pc.addTransceiver('video', { direction: 'recvonly' });
  if (options.codec) prefer(transceiver, options.codec);
  if (options.audio ?? true) pc.addTransceiver('audio', { direction: 'recvonly' });
  pc.addEventListener('track', ({ track }) => {
    if (track.kind === 'video') look(viewer, track as MediaStreamVideoTrack);
  });
  viewers.set(id, viewer);
  await pc.setLocalDescription();
  return pc.localDescription!.sdp;
}

function look(viewer: Viewer, track: MediaStreamVideoTrack): void {
  if (typeof MediaStreamTrackProcessor === 'undefined') {
    lookAtElement(viewer, track);
    return;
  }
  const reader = new MediaStreamTrackProcessor({ track, maxBufferSize: 30 }).readable.getReader();
  void (async () => {
    for (;;) {
      const { value: frame } = await reader.read();
      if (!frame) return;
      const { displayWidth: width, displayHeight: height, format } = frame;
      const data = new Uint8Array(frame.allocationSize());
      const [y, u, v] = await frame.copyTo(data);
      frame.close();
      viewer.luma = new Uint8Array(width * height);
      for (let j = 0; j < height && y; j++) {
        const row = y.offset + j * y.stride;
        viewer.luma.set(data.subarray(row, row + width), j * width);
      }
      const plane = (layout: PlaneLayout | undefined, i: number, j: number, step = 1, offset = 0): number =>
        layout ? data[layout.offset + j * layout.stride + i * step + offset]! : 0;
      see(viewer, width, height, (i, j) =>
        format === 'NV12'
          ? [plane(y, i, j), plane(u, i >> 1, j >> 1, 2), plane(u, i >> 1, j >> 1, 2, 1)]
          : [plane(y, i, j), plane(u, i >> 1, j >> 1), plane(v, i >> 1, j >> 1)],
      );
    }
  })();
}

function lookAtElement(viewer: Viewer, track: MediaStreamTrack): void {
  const video = document.createElement('video');
  video.muted = true;
  video.srcObject = new MediaStream([track]);
  document.body.append(video);
  const context = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true })!;
  const next = (): void => {
    const [width, height] = [video.videoWidth, video.videoHeight];
    if (width > 0) {
      if (context.canvas.width !== width) context.canvas.width = width;
      if (context.canvas.height !== height) context.canvas.height = height;
      context.drawImage(video, 0, 0, width, height);
      const { data } = context.getImageData(0, 0, width, height);
      see(viewer, width, height, (i, j) => toYuv(data, (j * width + i) * 4, viewer.matrix));
    }
    video.requestVideoFrameCallback(next);
  };
  video.requestVideoFrameCallback(next);
  void video.play();
}

function see(viewer: Viewer, width: number, height: number, at: Parameters<typeof readPicture>[0]): void {
  viewer.seen.push({ ...readPicture(at, width, height), atMs: performance.now() });
}

/** Applies an answer to a publisher or a viewer. */
export async function answer(id: string, sdp: string): Promise<void> {
  const publisher = publishers.get(id);
  const pc = (publisher ?? viewers.get(id))!.pc;
  await pc.setRemoteDescription({ type: 'answer', sdp: publisher ? withLeastBitrate(sdp) : sdp });
}

/** Sets the least bitrate of all video formats of an answer, as only Chromium knows it. */
function withLeastBitrate(sdp: string): string {
  const formats = /^m=video \d+ \S+ (.*)$/m.exec(sdp)?.[1]?.trim().split(' ') ?? [];
  const least = `x-google-min-bitrate=${LEAST_KBPS};x-google-start-bitrate=${LEAST_KBPS}`;
  return formats.reduce((text, format) => {
    const line = new RegExp(`^a=fmtp:${format} .*$`, 'm');
    if (line.test(text)) return text.replace(line, (found) => `${found};${least}`);
    return text.replace(new RegExp(`^a=rtpmap:${format} .*$`, 'm'), (found) => `${found}\r\na=fmtp:${format} ${least}`);
  }, sdp);
}

/** What a viewer has seen since it was last asked, waiting until it is `count` pictures, or `timeoutMs` are over. */
export async function seen(id: string, count = 0, timeoutMs = HANGS_MS): Promise<SeenPicture[]> {
  const viewer = viewers.get(id)!;
  const until = performance.now() + timeoutMs;
  while (viewer.seen.length < count && performance.now() < until) await new Promise((done) => setTimeout(done, 10));
  return viewer.seen.splice(0);
}

/** Luma of the last picture that a viewer has seen, base64. */
export function lastLuma(id: string): string {
  return btoa(String.fromCharCode(...viewers.get(id)!.luma));
}

/** When a publisher drew the picture of each number, in milliseconds since the page's time origin. */
export function drawnAt(id: string): number[] {
  return [...publishers.get(id)!.video.drawnAtMs];
}

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}

/** When a viewer was connected; 0 before. */
export function connectedAt(id: string): number {
  return viewers.get(id)!.connectedAtMs;
}

/** The state of a peer. */
export function state(id: string): string {
  return (publishers.get(id) ?? viewers.get(id))!.pc.connectionState;
}

/** Switches layers of a simulcast on and off. */
export async function activeLayers(id: string, active: readonly boolean[]): Promise<void> {
  const sender = publishers
    .get(id)!
    .pc.getSenders()
    .find(({ track }) => track?.kind === 'video')!;
  const parameters = sender.getParameters();
  parameters.encodings.forEach((encoding, layer) => {
    encoding.active = active[layer] ?? true;
  });
  await sender.setParameters(parameters);
}

export function resize(id: string, width: number, height: number): void {
  publishers.get(id)!.video.size = [width, height];
}

/** Ends a publisher or a viewer. */
export function stop(id: string): void {
  publishers.get(id)?.stop();
  viewers.get(id)?.stop();
  publishers.delete(id);
  viewers.delete(id);
}

/** Numbers of `getStats()`, of RTP streams and the transport. */
export async function stats(id: string): Promise<Record<string, unknown>[]> {
  const pc = (publishers.get(id) ?? viewers.get(id))!.pc;
  const report = await pc.getStats();
  const kinds = ['inbound-rtp', 'outbound-rtp', 'remote-inbound-rtp', 'candidate-pair'];
  return [...report.values()].filter(({ type }) => kinds.includes(type));
}
