import type { FrameTimes, Size } from '../../frame/frame.js';
import type { GpuScope } from './device.js';
import type { ReadBack } from './read-back.js';

/** How output frames are made: from a WebGPU canvas, on the GPU, or through main memory. */
export type Presentation = 'canvas' | 'memory';

/** Makes frames of a stream's output pictures. */
export class Presenter {
  readonly #canvas: OffscreenCanvas | undefined;
  readonly #context: GPUCanvasContext | undefined;

  constructor(
    readonly scope: GpuScope,
    readonly readBack: ReadBack,
    readonly size: Size,
    presentation: Presentation,
  ) {
    if (presentation === 'canvas') {
      this.#canvas = new OffscreenCanvas(size.width, size.height);
      this.#context = this.#canvas.getContext('webgpu') ?? undefined;
      this.#context?.configure({
        device: scope.gpu.device,
        format: 'rgba8unorm',
        usage: GPUTextureUsage.COPY_DST | GPUTextureUsage.RENDER_ATTACHMENT,
        alphaMode: 'opaque',
      });
    }
  }

  /**
   * A new frame with the picture's pixels as they are now. The caller owns it.
   * @param picture `rgba8unorm`, full range sRGB, alpha 1, of this size
   */
  async frame(picture: GPUTexture, { timestampUs, durationUs }: FrameTimes): Promise<VideoFrame> {
    const times = { timestamp: timestampUs, ...(durationUs === undefined ? {} : { duration: durationUs }) };
    const { width, height } = this.size;
    if (this.#canvas && this.#context) {
      const texture = this.#context.getCurrentTexture();
      this.scope.gpu.submit((encoder) =>
        encoder.copyTextureToTexture({ texture: picture }, { texture }, [width, height]),
      );
      return new VideoFrame(this.#canvas, { ...times, alpha: 'discard' });
    }
    // Texture rows are copied at multiples of 256 bytes. Firefox does not look at the stride that a frame is told, so
    // rows are moved together.
    const row = width * 4;
    const stride = Math.ceil(row / 256) * 256;
    return this.readBack.read(
      stride * height,
      (encoder, buffer) =>
        encoder.copyTextureToBuffer({ texture: picture }, { buffer, bytesPerRow: stride }, [width, height]),
      (mapped) => {
        const pixels = new Uint8Array(mapped);
        if (stride !== row) for (let y = 1; y < height; y++) pixels.copyWithin(y * row, y * stride, y * stride + row);
        return new VideoFrame(pixels.subarray(0, row * height), {
          ...times,
          format: 'RGBX',
          codedWidth: width,
          codedHeight: height,
          colorSpace: { primaries: 'bt709', transfer: 'iec61966-2-1', matrix: 'rgb', fullRange: true },
        });
      },
    );
  }

  /** Lets go of the canvas. Everything else is the scope's. */
  dispose(): void {
    this.#context?.unconfigure();
  }
}
