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
  const read = async (): Promise<void> => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      frame(value);
    }
  };
  read().then(over, over);
  return () => {
    reader.cancel().catch(() => undefined);
  };
}
