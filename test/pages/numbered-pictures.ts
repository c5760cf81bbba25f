/** Pictures that say which they are, drawn and read back: for tests that compare pixels. */

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

/** From R, G and B to Y, Cb and Cr in the limited range. */
export const MATRIX = {
  bt601: [0.257, 0.504, 0.098, -0.148, -0.291, 0.439, 0.439, -0.368, -0.071],
  bt709: [0.183, 0.614, 0.062, -0.101, -0.339, 0.439, 0.439, -0.399, -0.04],
} as const;

/** Y, Cb and Cr of the pixel that begins at an index. */
export function toYuv(data: Uint8ClampedArray, at: number, matrix: keyof typeof MATRIX): [number, number, number] {
  const m = MATRIX[matrix];
  const [r, g, b] = [data[at]!, data[at + 1]!, data[at + 2]!];
  return [
    16 + m[0] * r + m[1] * g + m[2] * b,
    128 + m[3] * r + m[4] * g + m[5] * b,
    128 + m[6] * r + m[7] * g + m[8] * b,
  ];
}
