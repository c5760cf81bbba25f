/** A picture put together from the payloads of its packets. */
export interface WholePicture {
  readonly data: Uint8Array;
  readonly key: boolean;
}

/**
 * Puts together the pictures of one payload format, and knows which of them can be decoded. Payloads come in order and
 * without gaps but those that it is told of.
 */
export interface Depacketizer {
  /** Whether no picture but a keyframe can be decoded now. */
  readonly waiting: boolean;
  /** Whether a picture that begins with this payload is surely a keyframe, and surely begins here. */
  startsKeyframe(payload: Uint8Array): boolean;
  /** Takes the next payload of a picture, not empty. @returns false when it is malformed: the picture is lost */
  add(payload: Uint8Array): boolean;
  /** The picture's payloads are all there. @returns the picture if it can be decoded */
  finish(): WholePicture | undefined;
  /** Packets are missing after the last payload: what has been collected is lost. */
  gap(packets: number): void;
  /** Takes a parameter set that came another way, where the format has such. */
  remember?(parameterSet: Uint8Array): void;
  /** The next payload is of another stream. */
  reset(): void;
}
