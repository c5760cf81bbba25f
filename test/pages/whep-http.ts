/** Publishes and watches by WHIP and WHEP, over HTTP, with what `whep.ts` draws and looks at. */
import { answer, publishOffer, watchOffer } from './whep.js';

/** Starts a publisher. @returns the address of its session */
export async function publish(
  id: string,
  url: string,
  token: string,
  options: Parameters<typeof publishOffer>[1],
): Promise<string> {
  return exchange(id, url, token, await publishOffer(id, options));
}

/** Starts a viewer. @returns the address of its session */
export async function watch(
  id: string,
  url: string,
  token: string,
  options: Parameters<typeof watchOffer>[1] = {},
): Promise<string> {
  return exchange(id, url, token, await watchOffer(id, options));
}

async function exchange(id: string, url: string, token: string, offer: string): Promise<string> {
  const headers = { 'content-type': 'application/sdp', authorization: `Bearer ${token}` };
  const response = await fetch(url, { method: 'POST', headers, body: offer });
  const text = await response.text();
  if (response.status !== 201) throw new Error(`${url} was answered with ${response.status}: ${text}`);
  await answer(id, text);
  return new URL(response.headers.get('location') as string, url).href;
}
