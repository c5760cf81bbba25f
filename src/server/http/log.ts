import { type DestinationStream, type Logger, pino } from 'pino';
import type { LogLevel } from '../options.js';

/** Fields that nobody should log, and that stay secret if somebody does. */
const SECRETS = ['token', 'authorization', 'credential', 'sdp', 'offerSdp', 'answerSdp', 'headers', 'req', 'request'];

/**
 * The log of a server: a JSON object a line (pino), with `stream` and the first letters of a session's id where there is
 * one. Tokens, offers and answers do not get into it.
 * @param destination default: standard output
 */
export function createLog(level: LogLevel, destination?: DestinationStream): Logger {
  const paths = SECRETS.flatMap((name) => [name, `*.${name}`]);
  const options = { level, base: null, redact: { paths, censor: '(secret)' } };
  return destination ? pino(options, destination) : pino(options);
}
