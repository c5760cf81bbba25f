import { isIP } from 'node:net';
import type { ServerConfig, ServerOptions } from './options.js';
import { checkSetting, isRecord } from './setting-values.js';
import { SETTINGS } from './settings.js';

const GROUPS = ['auth', 'media', 'limits', 'upscale'];
const KNOWN = new Set([...SETTINGS.map(({ path }) => path), 'auth.authorize']);

/**
 * Checks options and fills in defaults.
 * @param nameOf what sentences call an option; by default where it stands in the options
 * @throws TypeError with a sentence that names the option that is wrong
 */
export function checkServerOptions(
  options: ServerOptions = {},
  nameOf: (path: string) => string = (path) => `options.${path}`,
): ServerConfig {
  return checkSettings(flattenOptions(options, nameOf), nameOf);
}

/**
 * The same for values by path: `limits.peers`.
 * @throws TypeError
 */
export function checkSettings(given: ReadonlyMap<string, unknown>, nameOf: (path: string) => string): ServerConfig {
  const flat = new Map<string, unknown>();
  for (const setting of SETTINGS) {
    const value = given.get(setting.path);
    if (value !== undefined) checkSetting(setting, value, nameOf(setting.path));
    flat.set(setting.path, value ?? setting.fallback);
  }
  const authorize = given.get('auth.authorize');
  if (authorize !== undefined && typeof authorize !== 'function') {
    throw new TypeError(`${nameOf('auth.authorize')}, when provided, must be a function.`);
  }
  flat.set('auth.authorize', authorize);
  const host = String(flat.get('host'));
  flat.set(
    'media.host',
    flat.get('media.host') ?? (isIP(host) ? host : host === 'localhost' ? '127.0.0.1' : '0.0.0.0'),
  );
  // The table of settings and `ServerConfig` name the same things: a test compares them.
  const config = unflatten(flat) as unknown as ServerConfig;
  checkTogether(config, nameOf);
  return config;
}

/** Whether an address is one that only this machine reaches. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

/** Whether anybody is asked for a token, or a hook is asked. */
export function hasAuth({ publishToken, watchToken, tokens, authorize }: ServerConfig['auth']): boolean {
  return (
    publishToken !== undefined || watchToken !== undefined || Object.keys(tokens).length > 0 || authorize !== undefined
  );
}

function checkTogether({ host, auth, limits }: ServerConfig, nameOf: (path: string) => string): void {
  if (auth.none && hasAuth(auth)) {
    throw new TypeError(`${nameOf('auth.none')} must not be set where there are tokens or a hook.`);
  }
  if (!auth.none && !hasAuth(auth) && !isLoopback(host)) {
    throw new TypeError(
      `${nameOf('host')} is not loopback, so tokens or auth.authorize are needed (--publish-token, --watch-token); to let anyone publish and watch, say auth.none (--no-auth).`,
    );
  }
  if (limits.headersTimeoutMs > limits.requestTimeoutMs) {
    throw new TypeError(`${nameOf('limits.headersTimeoutMs')} must not be above ${nameOf('limits.requestTimeoutMs')}.`);
  }
}

/**
 * Values by path.
 * @throws TypeError for what is not an option
 */
export function flattenOptions(options: unknown, nameOf: (path: string) => string): Map<string, unknown> {
  if (!isRecord(options)) throw new TypeError('options, when provided, must be an object.');
  const flat = new Map<string, unknown>();
  for (const [key, value] of Object.entries(options)) {
    if (!GROUPS.includes(key)) {
      flat.set(known(key, nameOf), value);
      continue;
    }
    if (value === undefined) continue;
    if (!isRecord(value)) throw new TypeError(`${nameOf(key)}, when provided, must be an object.`);
    for (const [name, part] of Object.entries(value)) flat.set(known(`${key}.${name}`, nameOf), part);
  }
  return flat;
}

function known(path: string, nameOf: (path: string) => string): string {
  // A misspelt limit would otherwise be no limit at all.
  if (!KNOWN.has(path)) throw new TypeError(`${nameOf(path.slice(0, 80))} is not an option of the server.`);
  return path;
}

/** `limits.peers` becomes `{ limits: { peers } }`. */
function unflatten(flat: ReadonlyMap<string, unknown>): Record<string, unknown> {
  const nested: Record<string, unknown> = {};
  for (const [path, value] of flat) {
    const [group = '', name] = path.split('.', 2);
    if (name === undefined) nested[group] = value;
    else nested[group] = { ...(isRecord(nested[group]) ? nested[group] : {}), [name]: value };
  }
  return nested;
}
