import { isLoopback } from '../config.js';
import { parseUrl } from '../parse-url.js';

/** Whether a page of this origin may use the server. `host` is the request's Host field. */
export type OriginPolicy = (origin: string | undefined, host: string | undefined) => boolean;

/**
 * Which pages may use the server. What is not a browser sends no origin, and passes.
 *
 * Without a list: pages of this machine, and pages from the server's own host, whatever their port. A server at loopback
 * does not believe the Host field: a page whose name was rebound to 127.0.0.1 would name itself there.
 */
export function originPolicy(allowedOrigins: readonly string[], listensAt: string): OriginPolicy {
  if (allowedOrigins.includes('*')) return () => true;
  if (allowedOrigins.length > 0) {
    const allowed = new Set(allowedOrigins);
    return (origin) => origin === undefined || allowed.has(origin);
  }
  const local = isLoopback(listensAt);
  return (origin, host) => {
    if (origin === undefined) return true;
    const name = hostname(origin);
    if (name === undefined) return false;
    if (isLoopback(name) || name.endsWith('.localhost')) return true;
    return !local && host !== undefined && name === hostname(`http://${host}`);
  };
}

function hostname(origin: string): string | undefined {
  if (origin.length > 512 || !/^https?:\/\//.test(origin)) return undefined;
  return parseUrl(origin)?.hostname.replace(/^\[(.*)\]$/, '$1');
}
