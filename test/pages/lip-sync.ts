/** A clapper that is published, and viewers who see when it flashes and hear when it beeps. */
import { beeps, type Clapper, clapper, flashes, type Watch } from './clapper.js';

/** When flashes and beeps came, in milliseconds of the page's clock. */
export interface Claps {
  readonly flashes: number[];
  readonly beeps: number[];
  /** By how many milliseconds sound came later than its pictures, as the browser reckons from RTCP sender reports. */
  readonly reckoned: number[];
}

interface Viewer {
  readonly pc: RTCPeerConnection;
  flashes?: Watch;
  beeps?: Watch;
  reckoned: number[];
}

/**
 * Milliseconds of media that receivers keep: more than a busy machine stands still for, and more than their own guess, which
 * is right after 15 seconds or more. The output adds some to sound.
 */
const BUFFER_MS = { video: 300, audio: 270 } as const;
const RECKON_EVERY_MS = 200;

let publisher: { readonly pc: RTCPeerConnection; readonly source: Clapper } | undefined;
const viewers = new Map<string, Viewer>();

/** Starts the publisher; gives its offer. */
export async function publishOffer(width: number, height: number, fps: number): Promise<string> {
  const source = clapper(width, height, fps);
  const pc = new RTCPeerConnection();
  for (const track of [source.video, source.audio]) pc.addTransceiver(track, { direction: 'sendonly' });
  publisher = { pc, source };
  await pc.setLocalDescription();
  return pc.localDescription!.sdp;
}

/** Applies an answer to the publisher. */
export async function published(sdp: string): Promise<void> {
  await publisher!.pc.setRemoteDescription({ type: 'answer', sdp });
}

/**
 * Starts a viewer; gives its offer. Audio and video play in one element, and the browser synchronises them by RTCP sender
 * reports, as for people. Both are looked at where they are handed to the output, after jitter buffers and synchronisation:
 * what is seen on a page is up to a whole frame later, as it falls between two refreshes of the display, and a frame is longer
 * than the errors that are looked for.
 */
export async function watchOffer(id: string): Promise<string> {
  const pc = new RTCPeerConnection();
  const viewer: Viewer = { pc, reckoned: [] };
  viewers.set(id, viewer);
  for (const kind of ['video', 'audio'] as const) {
    pc.addTransceiver(kind, { direction: 'recvonly' }).receiver.jitterBufferTarget = BUFFER_MS[kind];
  }
  const video = document.createElement('video');
  document.body.append(video);
  pc.addEventListener('track', ({ track, streams }) => {
    video.srcObject = streams[0]!;
    void video.play();
    if (track.kind === 'video') viewer.flashes = flashes(track);
    else viewer.beeps = beeps(track);
  });
  setInterval(() => void reckon(viewer), RECKON_EVERY_MS);
  await pc.setLocalDescription();
  return pc.localDescription!.sdp;
}

/** Both tracks say which instant of the sender's clock they play now. */
async function reckon({ pc, reckoned }: Viewer): Promise<void> {
  const played = new Map<string, number>();
  for (const { type, kind, estimatedPlayoutTimestamp } of (await pc.getStats()).values()) {
    if (type === 'inbound-rtp') played.set(kind, estimatedPlayoutTimestamp);
  }
  const later = (played.get('video') ?? Number.NaN) - (played.get('audio') ?? Number.NaN);
  if (Number.isFinite(later)) reckoned.push(later);
}

/** Applies an answer to a viewer. */
export async function watched(id: string, sdp: string): Promise<void> {
  await viewers.get(id)!.pc.setRemoteDescription({ type: 'answer', sdp });
}

/** What viewers have seen and heard since this was last asked. */
export function claps(): Record<string, Claps> {
  const taken = ({ flashes, beeps, reckoned }: Viewer): Claps => ({
    flashes: flashes?.at.splice(0) ?? [],
    beeps: beeps?.at.splice(0) ?? [],
    reckoned: reckoned.splice(0),
  });
  return Object.fromEntries([...viewers].map(([id, viewer]) => [id, taken(viewer)]));
}
