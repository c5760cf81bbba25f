import type { ColourMatrix } from '../../frame/frame.js';

/** Pictures of fewer lines that do not name their matrix are taken for BT.601 by players, others for BT.709. */
const HD_LINES = 720;

/** The colours of a file, where it leaves something open as players take it. */
export function namedColours(told: VideoColorSpaceInit, lines: number): VideoColorSpaceInit {
  const usual = lines < HD_LINES ? 'smpte170m' : 'bt709';
  return {
    matrix: told.matrix ?? usual,
    primaries: told.primaries ?? usual,
    transfer: told.transfer ?? usual,
    fullRange: told.fullRange ?? false,
  };
}

/**
 * Gives frames the colours of their file, which need not name them: decoders then say BT.709 of every size, where the same
 * browser's players do not.
 */
export class FrameColours {
  constructor(readonly colour: VideoColorSpaceInit) {}

  /** Closes the frame, unless it is what is given back. */
  async convert(frame: VideoFrame): Promise<VideoFrame> {
    const { format, colorSpace, timestamp, duration } = frame;
    // Of R'G'B' there is no matrix to be mistaken in, and what is opaque cannot be told anything.
    if ((format !== 'I420' && format !== 'NV12') || colorSpace.matrix === (this.colour.matrix as ColourMatrix)) {
      return frame;
    }
    try {
      const data = new Uint8Array(frame.allocationSize());
      const layout = await frame.copyTo(data);
      const rect = frame.visibleRect;
      const init: VideoFrameBufferInit & { readonly transfer: ArrayBuffer[] } = {
        format,
        layout,
        codedWidth: rect?.width ?? frame.codedWidth,
        codedHeight: rect?.height ?? frame.codedHeight,
        displayWidth: frame.displayWidth,
        displayHeight: frame.displayHeight,
        timestamp,
        ...(duration === null ? {} : { duration }),
        colorSpace: this.colour,
        transfer: [data.buffer],
      };
      return new VideoFrame(data, init);
    } finally {
      frame.close();
    }
  }
}
