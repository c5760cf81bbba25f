import type { PeerSession } from '../rooms.js';
import { SignallingError } from '../rooms.js';
import { HttpProblem } from './problem.js';

/** The media type of ICE candidates that come after an offer (RFC 8840). */
export const SDP_FRAGMENT = 'application/trickle-ice-sdpfrag';

const MAX_LINES = 512;
const MAX_LINE_CHARACTERS = 1024;

/**
 * Checks the form of a fragment and counts its candidates. What they say is for the ICE agent.
 * @throws SignallingError 400
 */
export function checkFragment(fragment: string): number {
  const lines = fragment.split(/\r\n|\n/, MAX_LINES + 1);
  if (lines.length > MAX_LINES) throw new SignallingError(400, `A fragment may have ${MAX_LINES} lines.`);
  if (lines.at(-1) === '') lines.pop();
  if (lines.length === 0) throw new SignallingError(400, 'The fragment is empty.');
  let candidates = 0;
  for (const line of lines) {
    // RFC 8840, section 9: attributes, and the media they belong to.
    if (line.length > MAX_LINE_CHARACTERS || !/^[am]=[^\p{Cc}]+$/u.test(line)) {
      throw new SignallingError(400, 'A fragment has lines that begin with a= or m=.');
    }
    if (line.startsWith('a=candidate:')) candidates++;
  }
  return candidates;
}

/** A session's entity tag as a header field has it. */
export function entityTag({ etag }: PeerSession): string {
  return `"${etag}"`;
}

/**
 * Checks which ICE session a request is about (RFC 9725, section 4.3.1). `*` is whichever there is: it announces a restart.
 * @throws HttpProblem 428 without If-Match, 412 when it names another one
 */
export function checkIfMatch(ifMatch: string | undefined, session: PeerSession): void {
  if (ifMatch === undefined) {
    throw new HttpProblem(428, 'An If-Match field with the ETag of the session is needed.');
  }
  // The RFC's own example puts the star in quotes.
  const tags = ifMatch.split(',', 16).map((tag) => tag.trim());
  if (tags.some((tag) => tag === '*' || tag === '"*"' || tag === entityTag(session))) return;
  throw new HttpProblem(412, 'The If-Match field names an ICE session that is not the current one.');
}
