import { SignallingError } from '../rooms.js';
import { isIceWord, malformed, type RemoteCandidate, readCandidates } from './sdp.js';

const MAX_FRAGMENT_BYTES = 16 * 1024;

/**
 * Reads candidates that come after an offer: `application/trickle-ice-sdpfrag` (RFC 8840).
 * @param usernameFragment of the offer
 * @throws SignallingError 400 malformed, 413 too large, 422 for an ICE restart
 */
export function readFragment(fragment: string, usernameFragment: string): RemoteCandidate[] {
  if (fragment.length > MAX_FRAGMENT_BYTES) {
    throw new SignallingError(413, `A fragment may have ${MAX_FRAGMENT_BYTES} bytes.`);
  }
  const candidates: string[] = [];
  for (const line of fragment.split(/\r?\n/)) {
    if (line === '') continue;
    if (!/^[a-z]=/.test(line)) throw malformed('A line of the fragment does not have the form letter=value.');
    if (line.startsWith('a=candidate:')) candidates.push(line.slice('a=candidate:'.length));
    if (line.startsWith('a=ice-ufrag:')) {
      const named = line.slice('a=ice-ufrag:'.length).trim();
      if (!isIceWord(named, 4)) throw malformed('The ICE user fragment cannot be read.');
      if (named !== usernameFragment) throw new SignallingError(422, 'ICE restarts are not supported: begin again.');
    }
  }
  return readCandidates(candidates);
}
