/** What went wrong, for code that branches on it. */
export type UpscaleErrorCode =
  /** A model file could not be fetched. */
  | 'model-unavailable'
  /** A model file does not have the bytes its manifest promises, or the manifest is not one we can read. */
  | 'model-invalid'
  /** A backend cannot be started here, or its device was lost. */
  | 'backend-unavailable'
  /** A backend runs but answered the golden tile with wrong numbers. */
  | 'backend-wrong'
  /** Encoding or fusing a frame threw. */
  | 'engine-failed'
  /** A frame has a pixel format or size that cannot be upscaled. */
  | 'frame-unsupported'
  /** A worker could not be started. */
  | 'worker-failed'
  /** A file is empty, damaged or no video. */
  | 'file-invalid'
  /** A file's format, codec or dynamic range is not one that can be upscaled here. */
  | 'file-unsupported'
  /** No encoder here makes the output that was asked for. */
  | 'output-unsupported'
  /** The output could not be written. */
  | 'output-failed';

/** An error of this package. `code` says what happened, `recoverable` whether the stream goes on without us. */
export class UpscaleError extends Error {
  /** Always `UpscaleError`. */
  override readonly name = 'UpscaleError';
  /** What went wrong. */
  readonly code: UpscaleErrorCode;
  /** `true` when frames keep flowing by a simpler path and trying again later may succeed. */
  readonly recoverable: boolean;

  constructor(code: UpscaleErrorCode, message: string, options: { cause?: unknown; recoverable?: boolean } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.recoverable = options.recoverable ?? true;
  }
}

/** The message of anything that was thrown, in one line. */
export function reasonOf(thrown: unknown): string {
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return text.split('\n', 1)[0] ?? '';
}
