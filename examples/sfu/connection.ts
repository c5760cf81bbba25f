/** After this long without a way to the server it is not waited for any more. */
const LOST_AFTER_MS = 5000;

/** Settles when a connection is over: lost, ended by the server, or `signal`. */
export function ended(pc: RTCPeerConnection, signal: AbortSignal): Promise<void> {
  const transceiver = pc.getTransceivers()[0];
  const dtls = transceiver?.receiver.transport ?? transceiver?.sender.transport;
  return new Promise((resolve) => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = (): void => {
      clearTimeout(timer);
      const { connectionState } = pc;
      // That the server has left is first seen on the secure transport.
      const over = connectionState === 'failed' || connectionState === 'closed' || dtls?.state === 'closed';
      if (over || signal.aborted) resolve();
      else if (connectionState === 'disconnected') timer = setTimeout(resolve, LOST_AFTER_MS);
    };
    pc.addEventListener('connectionstatechange', look);
    dtls?.addEventListener('statechange', look);
    signal.addEventListener('abort', look);
    look();
  });
}

/** Calls `act` each second, one call at a time, until the signal. */
export async function everySecond(signal: AbortSignal, act: () => Promise<void>): Promise<void> {
  while (!signal.aborted) {
    await act();
    await pause(1000, signal);
  }
}

/** Waits, and no longer than until the signal. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
