import { createHash, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../../pipeline/clock.js';
import { hasAuth } from '../config.js';
import type { AuthorizeQuestion, ServerConfig, StreamAction } from '../options.js';
import { HttpProblem } from './problem.js';

/** Who may do what. */
export interface Access {
  /**
   * Passes when it is allowed.
   * @throws HttpProblem 401 without a token or with an unknown one, 403 with one for something else or when the hook says
   *   no, 503 when the hook does not answer
   */
  check(question: AuthorizeQuestion): Promise<void>;
  /** Whether a token is one of the server's, for whatever stream. Always true where tokens are not asked for. */
  isKnown(token: string): boolean;
}

interface Entry {
  readonly stream: string;
  readonly action: StreamAction;
  readonly digest: Buffer;
}

const HOOK_TIMEOUT_MS = 10_000;

/** The token of an Authorization field (RFC 6750), if it has one. */
export function bearerToken(authorization: string | undefined): string | undefined {
  return /^Bearer +([\w.~+/-]{1,512}=*) *$/i.exec(authorization ?? '')?.[1];
}

/** Whether two tokens are the same, in a time that tells nothing of either. */
export function sameToken(one: string, other: string): boolean {
  return timingSafeEqual(digest(one), digest(other));
}

/** Makes what decides on requests. */
export function createAccess(auth: ServerConfig['auth'], clock: Clock): Access {
  const entries = readEntries(auth);
  const asksForTokens = entries.length > 0;
  const open = auth.none || !hasAuth(auth);

  return {
    async check(question) {
      if (open) return;
      const { action, token } = question;
      if (asksForTokens && !(action === 'watch' && auth.openWatch)) checkToken(entries, question);
      if (auth.authorize && !(await askHook(auth.authorize, question, clock))) {
        if (token === undefined) throw unauthorized(`To ${action} this stream takes a bearer token.`);
        throw forbidden(`This token may not ${action} this stream.`);
      }
    },
    isKnown: (token) => !asksForTokens || auth.authorize !== undefined || find(entries, token).length > 0,
  };
}

function readEntries({ publishToken, watchToken, tokens }: ServerConfig['auth']): Entry[] {
  const any = { publish: publishToken ?? [], watch: watchToken ?? [] };
  return [['*', any] as const, ...Object.entries(tokens)].flatMap(([stream, actions]) =>
    (['publish', 'watch'] as const).flatMap((action) =>
      [actions[action] ?? []].flat().map((token) => ({ stream, action, digest: digest(token) })),
    ),
  );
}

function checkToken(entries: readonly Entry[], { action, stream, token }: AuthorizeQuestion): void {
  if (token === undefined) throw unauthorized(`To ${action} this stream takes a bearer token.`);
  const held = find(entries, token);
  if (held.length === 0) {
    throw unauthorized('The bearer token is not known here.', ', error="invalid_token"');
  }
  if (!held.some((entry) => entry.action === action && (entry.stream === '*' || entry.stream === stream))) {
    throw forbidden(`This token may not ${action} this stream.`);
  }
}

/** All are looked at, whatever matches: the time tells nothing. */
function find(entries: readonly Entry[], token: string): Entry[] {
  const given = digest(token);
  return entries.filter((entry) => timingSafeEqual(entry.digest, given));
}

function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

async function askHook(
  authorize: NonNullable<ServerConfig['auth']['authorize']>,
  question: AuthorizeQuestion,
  clock: Clock,
): Promise<boolean> {
  let stop = () => {};
  const late = new Promise<never>((_resolve, reject) => {
    stop = clock.after(HOOK_TIMEOUT_MS, () => {
      reject(new HttpProblem(503, 'Whether this is allowed could not be found out in time.', { 'retry-after': '5' }));
    });
  });
  try {
    // Only `true` allows: a hook that forgets to return must not open the door.
    return (await Promise.race([authorize(question), late])) === true;
  } finally {
    stop();
  }
}

function unauthorized(message: string, parameters = ''): HttpProblem {
  return new HttpProblem(401, message, { 'www-authenticate': `Bearer realm="mana-upscale"${parameters}` });
}

function forbidden(message: string): HttpProblem {
  return new HttpProblem(403, message);
}
