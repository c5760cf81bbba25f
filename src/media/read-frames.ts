/** A source that is left gives one more frame within this time, or none. */
const LAST_FRAME_MS = 200;

/**
 * Reads frames of a stream until it ends. The receiver owns them.
 * @param over called once, when the stream has ended or was stopped
 * @returns what stops it
 */
export function readFrames(
  readable: ReadableStream<VideoFrame>,
  frame: (frame: VideoFrame) => void,
  over: () => void,
): () => void {
  const reader = readable.getReader();
  let leaving: ReturnType<typeof setTimeout> | undefined;
  const leave = (): void => {
    clearTimeout(leaving);
    reader.cancel().catch(() => undefined);
  };
  const read = async (): Promise<void> => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      if (leaving === undefined) {
        frame(value);
        continue;
      }
      value.close();
      leave();
    }
  };
  read().then(over, over);
  return () => {
    // A frame on its way from another thread would be lost without being closed: right after one there is none.
    leaving ??= setTimeout(leave, LAST_FRAME_MS);
  };
}
