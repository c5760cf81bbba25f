import type { Source } from './source.js';

const CONNECT_MS = 10_000;

/** How the picture is sent. */
export interface LoopbackOptions {
  readonly maxBitrate: number;
  /** The sender makes the picture this many times smaller along each side. */
  readonly scaleResolutionDownBy: number;
}

/** Sends a source through an encoder and a peer connection to this page itself, and gives what arrives. */
export async function loopback(sent: Source, options: LoopbackOptions): Promise<Source> {
  if (typeof RTCPeerConnection === 'undefined') {
    throw new DOMException('This browser has no RTCPeerConnection.', 'NotSupportedError');
  }
  const caller = new RTCPeerConnection();
  const callee = new RTCPeerConnection();
  const close = (): void => {
    caller.close();
    callee.close();
    sent.stop();
  };
  try {
    caller.addEventListener('icecandidate', ({ candidate }) => callee.addIceCandidate(candidate ?? undefined));
    callee.addEventListener('icecandidate', ({ candidate }) => caller.addIceCandidate(candidate ?? undefined));
    caller.addTransceiver(sent.track, { direction: 'sendonly', sendEncodings: [options] });
    const received = new Promise<MediaStreamTrack>((resolve) =>
      callee.addEventListener('track', ({ track }) => resolve(track), { once: true }),
    );
    await caller.setLocalDescription();
    if (caller.localDescription) await callee.setRemoteDescription(caller.localDescription);
    await callee.setLocalDescription();
    if (callee.localDescription) await caller.setRemoteDescription(callee.localDescription);
    const track = await received;
    await connected(callee);
    return {
      track,
      ...(sent.scene ? { scene: sent.scene } : {}),
      // Made smaller on its way, the picture has a size that the sender may choose.
      ...(sent.size && options.scaleResolutionDownBy === 1 ? { size: sent.size } : {}),
      stop: () => {
        track.stop();
        close();
      },
    };
  } catch (thrown) {
    close();
    throw thrown;
  }
}

function connected(connection: RTCPeerConnection): Promise<void> {
  return new Promise((resolve, reject) => {
    const refuse = (): void => reject(new DOMException('The peer connection could not be made.', 'NetworkError'));
    const timer = setTimeout(refuse, CONNECT_MS);
    const look = (): void => {
      if (connection.connectionState === 'connected') resolve();
      else if (connection.connectionState === 'failed') refuse();
      else return;
      clearTimeout(timer);
    };
    connection.addEventListener('connectionstatechange', look);
    look();
  });
}
