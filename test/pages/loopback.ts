import { tap } from 'rxjs';
import { fromTrack, manaUpscale } from '/dist/index.js';
import { base64, panTrack, until } from './sources.js';

/** A budget that a slow test machine keeps. */
const PATIENT = { backend: 'wasm', model: 'mana-nano-x2', budgetMs: 20_000, minFrameRate: 0 } as const;
const LOOKAHEAD = 3;

/**
 * Sends the pan through a WebRTC connection and upscales what is received, until the network has made `count` frames with all
 * its lookahead. What went in and what came out.
 */
export async function loopback(count: number): Promise<{ input: Received[]; output: Received[] }> {
  const [sender, receiver] = [new RTCPeerConnection(), new RTCPeerConnection()];
  sender.onicecandidate = ({ candidate }) => void (candidate && receiver.addIceCandidate(candidate));
  receiver.onicecandidate = ({ candidate }) => void (candidate && sender.addIceCandidate(candidate));
  const remote = new Promise<MediaStreamTrack>((resolve) => {
    receiver.ontrack = ({ track }) => resolve(track);
  });
  const { track } = panTrack(Number.POSITIVE_INFINITY, 100, () => [160, 96, 2]);
  const sending = sender.addTrack(track, new MediaStream([track]));
  await sender.setLocalDescription();
  await receiver.setRemoteDescription(sender.localDescription as RTCSessionDescription);
  await receiver.setLocalDescription();
  await sender.setRemoteDescription(receiver.localDescription as RTCSessionDescription);
  // A busy machine would send smaller frames instead of fewer.
  await sending.setParameters({ ...sending.getParameters(), degradationPreference: 'maintain-resolution' });

  const input: Received[] = [];
  const output: Received[] = [];
  const copies: Promise<void>[] = [];
  let network = false;
  const subscription = fromTrack(await remote)
    .pipe(
      tap((frame) => {
        const copy = frame.clone();
        copies.push(planes(copy).then((received) => void input.push(received)));
      }),
      manaUpscale({
        ...PATIENT,
        onStats: ({ lookahead }) => {
          network = lookahead === LOOKAHEAD;
        },
      }),
    )
    .subscribe((frame) => {
      if (network) copies.push(planes(frame).then((received) => void output.push(received)));
      else frame.close();
    });
  await until('frames by the network', () => output.length >= count);
  subscription.unsubscribe();
  track.stop();
  await Promise.all(copies);
  sender.close();
  receiver.close();
  return { input, output };
}

/** A frame out of the page. */
export interface Received {
  readonly format: string;
  readonly width: number;
  readonly height: number;
  readonly timestampUs: number;
  readonly data: string;
  readonly planes: { offset: number; stride: number }[];
  readonly matrix: string | null;
  readonly fullRange: boolean | null;
}

async function planes(frame: VideoFrame): Promise<Received> {
  const bytes = new Uint8Array(frame.allocationSize());
  const layout = await frame.copyTo(bytes);
  const { format, visibleRect, timestamp, colorSpace } = frame;
  frame.close();
  return {
    format: format ?? '',
    width: visibleRect?.width ?? 0,
    height: visibleRect?.height ?? 0,
    timestampUs: timestamp,
    data: base64(bytes),
    planes: layout,
    matrix: colorSpace.matrix,
    fullRange: colorSpace.fullRange,
  };
}
