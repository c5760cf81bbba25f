/** What kind of thing went wrong with a file. */
export type FileErrorCode =
  /** The input cannot be read, or holds no video. */
  | 'unreadable'
  /** The input can be read, but is nothing that can be upscaled here. */
  | 'unsupported'
  /** The output cannot be written. */
  | 'unwritable'
  /** Something is in the way that nobody asked to replace. */
  | 'exists'
  /** What was asked for contradicts itself or the file. */
  | 'usage'
  /** Whoever reads the output has gone. */
  | 'closed'
  /** It was ended from outside. */
  | 'interrupted';

/** Why a file was not upscaled: a whole sentence for whoever asked. */
export class FileError extends Error {
  override readonly name = 'FileError';

  constructor(
    readonly code: FileErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
