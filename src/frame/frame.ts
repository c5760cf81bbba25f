/** Pixel layouts that the engines read from memory. Names are those of WebCodecs' `VideoPixelFormat`. */
export type PlanarFormat = 'I420' | 'NV12' | 'RGBA' | 'RGBX' | 'BGRA' | 'BGRX';

/** Matrix coefficients between Y'CbCr and R'G'B', by the names WebCodecs gives them. */
export type ColourMatrix = 'bt709' | 'smpte170m' | 'bt2020-ncl';

/** How Y'CbCr samples are to be read. RGB formats ignore it. */
export interface ColourSpace {
  /** Matrix coefficients. `smpte170m` is BT.601. */
  readonly matrix: ColourMatrix;
  /** `true` for 0..255 samples, `false` for luma 16..235 and chroma 16..240. */
  readonly fullRange: boolean;
}

/** Where one plane lies in a frame's buffer, in bytes. */
export interface PlaneLayout {
  /** First sample of the plane. */
  readonly offset: number;
  /** From a row's first sample to the next row's. */
  readonly stride: number;
}

/** Width and height in pixels. */
export interface Size {
  /** Columns. */
  readonly width: number;
  /** Rows. */
  readonly height: number;
}

/** When a frame is shown. Passed through the pipeline unchanged. */
export interface FrameTimes {
  /** Presentation time in microseconds. */
  readonly timestampUs: number;
  /** Duration in microseconds, where the source gave one. */
  readonly durationUs?: number;
}

/**
 * A frame in memory: 8-bit planes in one buffer.
 *
 * Planes per format: `I420` Y, U, V; `NV12` Y, UV; the RGB formats one plane of 4 bytes a pixel. Chroma planes have
 * `ceil(width / 2) x ceil(height / 2)` samples.
 */
export interface PlanarFrame extends Size, FrameTimes {
  /** How the pixels are laid out. */
  readonly format: PlanarFormat;
  /** The buffer that holds all planes. */
  readonly data: Uint8Array;
  /** Where each plane lies in `data`, in the format's order. */
  readonly planes: readonly PlaneLayout[];
  /** How Y'CbCr samples are to be read. */
  readonly colourSpace: ColourSpace;
}

/** Short form for messages: `640x360`. */
export function sizeText(size: Size): string {
  return `${size.width}x${size.height}`;
}

/** Whether two sizes are equal. */
export function sameSize(a: Size, b: Size): boolean {
  return a.width === b.width && a.height === b.height;
}
