/** WHIP (RFC 9725) and WHEP by plain fetch: an offer goes to the server, an answer comes back, media flows. Copy it. */

/** What has been set up, and how it ends. */
export interface HttpSession {
  readonly pc: RTCPeerConnection;
  /** Its address on the server. */
  readonly resource: URL;
  /** Ends it here and on the server, also while the page goes away. The signal that it was opened with does the same. */
  end(): void;
}

/** The server said no, and why. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/**
 * Publishes a track at a WHIP address.
 * @param codec `video/VP8` or `video/H264`: what the browser offers first
 */
export function publish(url: URL, track: MediaStreamTrack, codec: string, token: string, signal: AbortSignal) {
  const pc = new RTCPeerConnection();
  const transceiver = pc.addTransceiver(track, { direction: 'sendonly' });
  const all = RTCRtpSender.getCapabilities('video')?.codecs ?? [];
  const wanted = all.filter(({ mimeType }) => mimeType.toLowerCase() === codec.toLowerCase());
  // Without any of them the offer would have all the others.
  if (wanted.length > 0) transceiver.setCodecPreferences(wanted);
  return open(pc, url, token, signal);
}

/** Watches what a WHEP address gives. The track is in `pc.getReceivers()` from the beginning; its pictures come later. */
export function watch(url: URL, token: string, signal: AbortSignal) {
  const pc = new RTCPeerConnection();
  pc.addTransceiver('video', { direction: 'recvonly' });
  return open(pc, url, token, signal);
}

async function open(pc: RTCPeerConnection, url: URL, token: string, signal: AbortSignal): Promise<HttpSession> {
  let resource: URL | undefined;
  let over = false;
  const end = (): void => {
    if (over) return;
    over = true;
    const told = resource && fetch(resource, { method: 'DELETE', keepalive: true, signal: AbortSignal.timeout(2000) });
    // Closed first, the server would end the session by itself, and not know what to delete.
    Promise.resolve(told)
      .catch(() => undefined)
      .finally(() => pc.close());
  };
  try {
    // Our own addresses need not be waited for: the server has all of its own in the answer, and sees where we call from.
    await pc.setLocalDescription();
    const headers = new Headers({ 'content-type': 'application/sdp' });
    if (token !== '') headers.set('authorization', `Bearer ${token}`);
    const offer = pc.localDescription?.sdp ?? '';
    const response = await fetch(url, { method: 'POST', headers, body: offer, signal });
    if (response.status !== 201) throw new Refusal(response.status, await sentenceOf(response));
    resource = new URL(response.headers.get('location') ?? '', url);
    const session = { pc, resource, end };
    await pc.setRemoteDescription({ type: 'answer', sdp: await response.text() });
    signal.throwIfAborted();
    signal.addEventListener('abort', end);
    return session;
  } catch (error) {
    end();
    throw error;
  }
}

/** The server explains its refusals in JSON (RFC 9457). */
async function sentenceOf(response: Response): Promise<string> {
  const problem: unknown = await response.json().catch(() => null);
  const detail = typeof problem === 'object' && problem !== null && 'detail' in problem ? problem.detail : null;
  return typeof detail === 'string' ? detail : `The server answered with ${response.status}.`;
}
