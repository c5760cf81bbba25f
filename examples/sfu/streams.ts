import type { Place } from './form.js';

/** What the server tells of one stream. */
export interface StreamReport {
  readonly name: string;
  readonly codec: string;
  readonly viewers: { readonly source: number; readonly upscaled: number };
  /** What makes the upscaled picture now; `null` when nobody watches that. */
  readonly level: string | null;
  readonly levelReason: string;
  readonly addedDelayMs: number;
}

/** The streams that the token may watch; none when the server does not say. */
export async function readStreams({ server, token }: Place, signal: AbortSignal): Promise<readonly StreamReport[]> {
  const headers = new Headers(token === '' ? {} : { authorization: `Bearer ${token}` });
  try {
    const response = await fetch(new URL('/api/streams', server), { headers, signal });
    const body = (await response.json()) as { streams?: StreamReport[] };
    return body.streams ?? [];
  } catch {
    return [];
  }
}
