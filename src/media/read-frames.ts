/** A stream that gave nothing for so long holds nothing; one that never rests is left after so many frames. */
const QUIET = { ms: 8, frames: 10 } as const;

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
  let closed = 0;
  // A stream that is cancelled forgets frames that wait in it, without closing them: they are taken out first.
  const leaveWhenQuiet = (): void => {
    clearTimeout(leaving);
    leaving = setTimeout(() => reader.cancel().catch(() => undefined), closed < QUIET.frames ? QUIET.ms : 0);
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
      closed++;
      leaveWhenQuiet();
    }
  };
  read().then(over, over);
  return () => {
    if (leaving === undefined) leaveWhenQuiet();
  };
}
