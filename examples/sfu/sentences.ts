import type { Place } from './form.js';
import { Refusal } from './whip-whep.js';

/** What makes the upscaled picture, as people call it. The server's word for it goes first. */
const LEVELS: Readonly<Record<string, string>> = {
  full: 'the network, with all its lookahead',
  short: 'the network, with less lookahead',
  small: 'a smaller network',
  fast: 'plain resampling, without a network',
  'pass-through': 'nothing: it is sent on as it came',
};

/** Why nothing is published or watched, for whoever sits in front of the page. */
export function refusalSentence(error: unknown, place: Place, doing: 'publish' | 'watch'): string {
  if (error instanceof Refusal) {
    switch (error.status) {
      case 401:
        return place.token === ''
          ? `The server asks for a token: enter it, and press ${button(doing)} again.`
          : `The server does not know this token: correct it, and press ${button(doing)} again.`;
      case 403:
        return `${error.message} Enter another token, and press ${button(doing)} again.`;
      case 404:
        return doing === 'watch' ? `Nobody publishes “${place.stream}” yet.` : error.message;
      case 409:
        return `Somebody publishes “${place.stream}” already: choose another name.`;
      default:
        return error.message;
    }
  }
  // This is how fetch says that nobody was there, or that the server does not let this page in.
  if (error instanceof TypeError) return `No server answers at ${place.server}, or it does not let this page in.`;
  return error instanceof Error || error instanceof DOMException ? error.message : String(error);
}

function button(doing: 'publish' | 'watch'): string {
  return doing === 'publish' ? 'Publish' : 'Watch';
}

/** Whether it may be different in a moment, without anybody doing anything. */
export function mayPass(error: unknown): boolean {
  if (error instanceof Refusal) return ![400, 401, 403, 406, 413].includes(error.status);
  return error instanceof TypeError;
}

/** What makes the picture now. The server says nothing before the network is asked for the first time. */
export function levelSentence(level: string | null): string {
  if (level === null) return 'plain resampling, until the network is ready';
  const meaning = LEVELS[level];
  return meaning ? `${meaning} (${level})` : level;
}
