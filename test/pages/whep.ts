/** A publisher and viewers by WebRTC, whose pictures say which they are: for tests that compare pixels. */

/** Bits of the frame's number, in a row of bright and dark cells, and once more inverted below it. */
const BITS = 16;
const [BRIGHT, DARK, GREY] = [210, 40, 128];
/** Colours of the patches, Y, Cb and Cr. */
const PALETTE = [
  [90, 100, 190],
  [130, 80, 90],
  [80, 190, 110],
  [180, 70, 140],
  [150, 160, 70],
  [110, 170, 170],
] as const;

/** What was seen of one picture. */
export interface SeenPicture {
  readonly width: number;
  readonly height: number;
  /** The number that the barcode says; -1 where its two rows contradict each other. */
  readonly number: number;
  /** The largest difference of a patch's mean Y, Cb or Cr, in levels, from what this number's picture has there. */
  readonly error: number;
  /** Milliseconds since the page's time origin. */
  readonly atMs: number;
}

/** A track of numbered pictures, in real time. */
export interface NumberedVideo {
  readonly track: MediaStreamTrack;
  /** Pictures from now on have this size. */
  size: readonly [width: number, height: number];
  stop(): void;
  /** When each number's picture was drawn, in milliseconds since the page's time origin. */
  readonly drawnAtMs: readonly number[];
}

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

const publishers = new Map<string, Publisher>();
const viewers = new Map<string, Viewer>();

/** The picture of a number, I420. */
export function drawPicture(width: number, height: number, number: number): Uint8Array {
  const [halfWidth, halfHeight] = [width >> 1, height >> 1];
  const data = new Uint8Array(width * height + 2 * halfWidth * halfHeight);
  const row = Math.floor(height / 6);
  const chroma = width * height;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      let value: number;
      if (y < row * 2) {
        const on = (number >> Math.floor((x * BITS) / width)) & 1;
        value = on === (y < row ? 1 : 0) ? BRIGHT : DARK;
      } else value = patchAt(x, width, number)[0];
      data[y * width + x] = value;
    }
  }
  for (let y = 0; y < halfHeight; y++) {
    for (let x = 0; x < halfWidth; x++) {
      const grey = y * 2 < row * 2;
      const [, cb, cr] = patchAt(x * 2, width, number);
      data[chroma + y * halfWidth + x] = grey ? GREY : cb;
      data[chroma + halfWidth * halfHeight + y * halfWidth + x] = grey ? GREY : cr;
    }
  }
  return data;
}

/** The colours move on with the number, so that a part of an older picture is seen. */
function patchAt(x: number, width: number, number: number): readonly [number, number, number] {
  return PALETTE[(Math.floor((x * PALETTE.length) / width) + number) % PALETTE.length]!;
}

/** Reads a picture back. `at` gives Y, Cb and Cr of a pixel. */
export function readPicture(
  at: (x: number, y: number) => readonly [number, number, number],
  width: number,
  height: number,
): Omit<SeenPicture, 'atMs'> {
  const cell = width / BITS;
  const row = Math.floor(height / 6);
  const mean = (x: number, y: number, w: number, h: number): [number, number, number] => {
    const sum: [number, number, number] = [0, 0, 0];
    let count = 0;
    for (let j = Math.round(y); j < Math.round(y + h); j++) {
      for (let i = Math.round(x); i < Math.round(x + w); i++) {
        const pixel = at(i, j);
        for (let c = 0; c < 3; c++) sum[c]! += pixel[c]!;
        count++;
      }
    }
    return [sum[0] / count, sum[1] / count, sum[2] / count];
  };
  let number = 0;
  for (let bit = 0; bit < BITS; bit++) {
    const on = mean((bit + 0.3) * cell, row * 0.3, cell * 0.4, row * 0.4)[0] > GREY;
    const off = mean((bit + 0.3) * cell, row * 1.3, cell * 0.4, row * 0.4)[0] > GREY;
    if (on === off) return { width, height, number: -1, error: 255 };
    if (on) number |= 1 << bit;
  }
  let error = 0;
  const patch = width / PALETTE.length;
  for (let i = 0; i < PALETTE.length; i++) {
    const seen = mean((i + 0.2) * patch, row * 2.4, patch * 0.6, height - row * 2.8);
    const expected = patchAt((i + 0.5) * patch, width, number);
    for (let c = 0; c < 3; c++) error = Math.max(error, Math.abs(seen[c]! - expected[c]!));
  }
  return { width, height, number, error };
}

function prefer(transceiver: RTCRtpTransceiver, codec: string): void {
  const all = RTCRtpReceiver.getCapabilities('video')?.codecs ?? [];
  const wanted = all.filter(({ mimeType }) => mimeType.toLowerCase() === `video/${codec}`);
  const rest = all.filter(({ mimeType }) => /rtx|red|ulpfec/i.test(mimeType));
  transceiver.setCodecPreferences([...wanted, ...rest]);
}

/** Starts a track of numbered pictures, or of a `still` one, I420. */
export function numberedVideo(width: number, height: number, fps = 30, still?: Uint8Array): NumberedVideo {
  const generator = new MediaStreamTrackGenerator({ kind: 'video' });
  const writer = generator.writable.getWriter();
  const drawnAtMs: number[] = [];
  const began = performance.now();
  let number = 0;
  const timer = setInterval(() => {
    number = (number + 1) & 0xffff;
    const [codedWidth, codedHeight] = made.size;
    drawnAtMs[number] = performance.now();
    const frame = new VideoFrame(still ?? drawPicture(codedWidth, codedHeight, number), {
      format: 'I420',
      codedWidth,
      codedHeight,
      timestamp: Math.round((performance.now() - began) * 1000),
    });
    void writer.write(frame).catch(() => frame.close());
  }, 1000 / fps);
  const made: NumberedVideo = {
    track: generator,
    size: [width, height],
    drawnAtMs,
    stop: () => {
      clearInterval(timer);
      void writer.close().catch(() => {});
    },
  };
  return made;
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

/** From R, G and B to Y, Cb and Cr in the limited range. */
const MATRIX = {
  bt601: [0.257, 0.504, 0.098, -0.148, -0.291, 0.439, 0.439, -0.368, -0.071],
  bt709: [0.183, 0.614, 0.062, -0.101, -0.339, 0.439, 0.439, -0.399, -0.04],
} as const;

function toYuv(data: Uint8ClampedArray, at: number, matrix: keyof typeof MATRIX): [number, number, number] {
  const m = MATRIX[matrix];
  const [r, g, b] = [data[at]!, data[at + 1]!, data[at + 2]!];
  return [
    16 + m[0] * r + m[1] * g + m[2] * b,
    128 + m[3] * r + m[4] * g + m[5] * b,
    128 + m[6] * r + m[7] * g + m[8] * b,
  ];
}

/** Applies an answer to a publisher or a viewer. */
export async function answer(id: string, sdp: string): Promise<void> {
  const pc = (publishers.get(id) ?? viewers.get(id))!.pc;
  await pc.setRemoteDescription({ type: 'answer', sdp });
}

/** What a viewer has seen since it was last asked, waiting until it is `count` pictures, or `timeoutMs` are over. */
export async function seen(id: string, count = 0, timeoutMs = 15_000): Promise<SeenPicture[]> {
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
