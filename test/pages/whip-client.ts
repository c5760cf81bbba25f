/** Publishes with a WHIP client that others wrote. */
import { WHIPClient } from '@eyevinn/whip-web-client';
import { type NumberedVideo, numberedVideo } from './numbered-pictures.js';

type Settings = ConstructorParameters<typeof WHIPClient>[0];

let client: WHIPClient;
let video: NumberedVideo;
let sound: AudioContext;
const trickled: number[] = [];

/**
 * Publishes numbered pictures and a tone.
 * @param trickle send candidates as they are found, instead of in the offer
 * @returns the address of the session
 */
export async function ingest(
  endpoint: string,
  authkey: string,
  { trickle, width, height, fps }: { trickle: boolean; width: number; height: number; fps: number },
): Promise<string> {
  video = numberedVideo(width, height, fps);
  sound = new AudioContext();
  const tone = new OscillatorNode(sound);
  const output = new MediaStreamAudioDestinationNode(sound);
  tone.connect(output);
  tone.start();
  // There is no STUN server to ask, and all candidates are there at once.
  const settings = { endpoint, opts: { authkey, iceServers: [], timeout: 300 } };
  client = new WHIPClient(trickle ? { ...settings, whipProtocol: withTrickle() } : settings);
  await client.ingest(new MediaStream([video.track, ...output.stream.getAudioTracks()]));
  return client.getResourceUrl();
}

/** Status codes of the answers to candidates. */
export function trickleAnswers(): number[] {
  return trickled;
}

/** Ends publishing as the client does it: it deletes the session and closes its connection. */
export async function destroy(): Promise<void> {
  await client.destroy();
  video.stop();
  await sound.close();
}

/**
 * Requests as the client makes them, but for two things in which it is older than RFC 9725: it sends candidates only where a
 * response says, in a header that pages of other origins cannot read, that PATCH is allowed, and it names the ICE session in
 * an ETag field instead of If-Match.
 */
function withTrickle(): NonNullable<Settings['whipProtocol']> {
  const headersOf = (authKey: string | undefined, more: Record<string, string> = {}): Record<string, string> => ({
    ...more,
    ...(authKey ? { Authorization: `Bearer ${authKey}` } : {}),
  });
  return {
    getConfiguration: async () => new Response(null, { headers: { 'access-control-allow-methods': 'POST, PATCH' } }),
    sendOffer: (url, authKey, body) =>
      fetch(url, { method: 'POST', headers: headersOf(authKey, { 'Content-Type': 'application/sdp' }), body }),
    updateIce: async (url, etag, body, authKey) => {
      const headers = headersOf(authKey, { 'Content-Type': 'application/trickle-ice-sdpfrag', 'If-Match': etag });
      const response = await fetch(url, { method: 'PATCH', headers, body });
      trickled.push(response.status);
      return response;
    },
    delete: (url, authKey) => fetch(url, { method: 'DELETE', headers: headersOf(authKey) }),
  };
}
