import { isIP } from 'node:net';
import { parseUrl } from './parse-url.js';
import type { Setting } from './settings.js';

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];
const MAX_LIST = 1000;
/** RFC 6750: what a bearer token is made of. */
const TOKEN = /^[\w.~+/-]{1,512}=*$/;

/** What a stream may be called. */
export const STREAM_NAME = /^\w[\w.-]{0,63}$/;

/** Whether something is an object that could have come out of JSON, and no list. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Reads a setting's value out of text.
 * @param name what the sentence calls the setting
 * @throws TypeError
 */
export function settingFromText(setting: Setting, text: string, name: string): unknown {
  switch (setting.kind) {
    case 'text':
      return text;
    case 'flag':
      if (/^(1|true|yes|on)$/i.test(text)) return true;
      if (/^(0|false|no|off)?$/i.test(text)) return false;
      throw new TypeError(`${name} must be true or false.`);
    case 'integer':
    case 'number':
      // Number('') is 0, which nobody means.
      return text.trim() === '' ? Number.NaN : Number(text);
    case 'list':
      return text
        .split(',')
        .map((part) => part.trim())
        .filter((part) => part !== '');
    case 'ports': {
      const [, min, max] = /^(\d{1,5})-(\d{1,5})$/.exec(text.trim()) ?? [];
      if (min === undefined || max === undefined) throw new TypeError(`${name} must be a range like 40000-40100.`);
      return { min: Number(min), max: Number(max) };
    }
    case 'json':
      try {
        return JSON.parse(text);
      } catch (error) {
        throw new TypeError(`${name} must be JSON.`, { cause: error });
      }
  }
}

/**
 * Checks a setting's value.
 * @throws TypeError with a sentence that begins with `name`
 */
export function checkSetting(setting: Setting, value: unknown, name: string): void {
  const { kind, min, max } = setting;
  if (kind === 'flag' && typeof value !== 'boolean') throw new TypeError(`${name} must be true or false.`);
  if (kind === 'text' && !(typeof value === 'string' && value !== '' && value.length <= 4096)) {
    throw new TypeError(`${name} must be a string that is not empty.`);
  }
  if (kind === 'integer' && !(Number.isInteger(value) && within(value, min, max))) {
    throw new TypeError(`${name} must be an integer from ${min} to ${max}.`);
  }
  if (kind === 'number' && !within(value, min, max)) {
    throw new TypeError(`${name} must be a number from ${min} to ${max}.`);
  }
  if (kind === 'list' && !isTexts(value)) throw new TypeError(`${name} must be a list of strings.`);
  CHECKS[setting.path]?.(value, name);
}

function within(value: unknown, min: number, max: number): boolean {
  return typeof value === 'number' && value >= min && value <= max;
}

function isTexts(value: unknown): value is string[] {
  return (
    Array.isArray(value) && value.length <= MAX_LIST && value.every((part) => typeof part === 'string' && part !== '')
  );
}

function checkToken(value: unknown, name: string): void {
  if (!(typeof value === 'string' && TOKEN.test(value))) {
    throw new TypeError(`${name} must be a bearer token: letters, digits and -._~+/ only, at most 512.`);
  }
}

function checkAddress(value: unknown, name: string): void {
  if (!(typeof value === 'string' && isIP(value))) throw new TypeError(`${name} must be an IP address.`);
}

function checkTokens(tokens: unknown, name: string): void {
  if (!isRecord(tokens)) throw new TypeError(`${name} must be an object with a stream's name for each key.`);
  const streams = Object.entries(tokens);
  if (streams.length > MAX_LIST) throw new TypeError(`${name} must not have more than ${MAX_LIST} streams.`);
  for (const [stream, actions] of streams) {
    if (stream !== '*' && !STREAM_NAME.test(stream)) {
      throw new TypeError(`${name} must have keys that are streams' names (letters, digits and _-. only) or *.`);
    }
    if (!isRecord(actions)) throw new TypeError(`${name}.${stream} must be an object with publish, watch or both.`);
    for (const [action, token] of Object.entries(actions)) {
      if (action !== 'publish' && action !== 'watch') {
        throw new TypeError(`${name}.${stream} must have no keys but publish and watch.`);
      }
      const list = Array.isArray(token) ? token.slice(0, MAX_LIST + 1) : [token];
      if (list.length > MAX_LIST) throw new TypeError(`${name}.${stream}.${action} must not have so many tokens.`);
      for (const one of list) checkToken(one, `${name}.${stream}.${action}`);
    }
  }
}

function checkIceServers(servers: unknown, name: string): void {
  if (!Array.isArray(servers) || servers.length > 16)
    throw new TypeError(`${name} must be a list of up to 16 servers.`);
  for (const server of servers) {
    const { urls, username, credential, ...rest } = isRecord(server) ? server : { rest: true };
    if (Object.keys(rest).length > 0) {
      throw new TypeError(`${name} must be a list of objects with urls and, for TURN, username and credential.`);
    }
    const list = typeof urls === 'string' ? [urls] : urls;
    // What ends up in a header field must not be able to end it.
    if (
      !isTexts(list) ||
      list.length === 0 ||
      !list.every((url) => /^(stun|turn)s?:[\w.:[\]?=&%-]{1,512}$/.test(url))
    ) {
      throw new TypeError(`${name} must have urls that begin with stun:, stuns:, turn: or turns:.`);
    }
    for (const word of [username, credential]) {
      if (word !== undefined && !(typeof word === 'string' && /^[\x20-\x7e]{1,512}$/.test(word))) {
        throw new TypeError(`${name} must have usernames and credentials of printable ASCII.`);
      }
    }
    if (list.some((url) => url.startsWith('turn')) && (username === undefined || credential === undefined)) {
      throw new TypeError(`${name} must have a username and a credential for each TURN server.`);
    }
  }
}

function checkPorts(ports: unknown, name: string): void {
  const { min, max } = isRecord(ports) ? ports : { min: undefined, max: undefined };
  const isPort = (port: unknown) => Number.isInteger(port) && within(port, 1, 65535);
  if (!(isPort(min) && isPort(max) && Number(min) <= Number(max))) {
    throw new TypeError(`${name} must be a range of ports from 1 to 65535, min not above max.`);
  }
}

function checkOrigins(origins: unknown, name: string): void {
  for (const origin of isTexts(origins) ? origins : []) {
    if (origin === '*' || origin === 'null') continue;
    if (parseUrl(origin)?.origin === origin) continue;
    throw new TypeError(`${name} must be a list of origins like https://example.org, or *.`);
  }
}

function checkProxies(ranges: unknown, name: string): void {
  for (const range of isTexts(ranges) ? ranges : []) {
    const [address = '', bits, ...rest] = range.split('/');
    const most = isIP(address) === 6 ? 128 : 32;
    const fits = bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= most);
    if (!isIP(address) || rest.length > 0 || !fits) {
      throw new TypeError(`${name} must be a list of IP addresses or CIDR ranges.`);
    }
  }
}

/** What a setting's kind does not say. */
const CHECKS: Readonly<Record<string, (value: unknown, name: string) => void>> = {
  host: (host, name) => {
    if (!(typeof host === 'string' && (isIP(host) || /^[\w-]+(\.[\w-]+)*\.?$/.test(host)))) {
      throw new TypeError(`${name} must be an IP address or a host's name.`);
    }
  },
  allowedOrigins: checkOrigins,
  trustProxy: checkProxies,
  metricsToken: checkToken,
  logLevel: (level, name) => {
    if (!LOG_LEVELS.includes(String(level))) throw new TypeError(`${name} must be one of ${LOG_LEVELS.join(', ')}.`);
  },
  'auth.publishToken': checkToken,
  'auth.watchToken': checkToken,
  'auth.tokens': checkTokens,
  'media.host': checkAddress,
  'media.announcedAddress': checkAddress,
  'media.ports': checkPorts,
  'media.iceServers': checkIceServers,
  'upscale.scale': (scale, name) => {
    if (scale !== 2 && scale !== 4) throw new TypeError(`${name} must be 2 or 4.`);
  },
  'upscale.backend': (backend, name) => {
    if (!['auto', 'wasm', 'cpu', 'cuda', 'webgpu'].includes(backend as string)) {
      throw new TypeError(`${name} must be auto, wasm, cpu, cuda or webgpu.`);
    }
  },
};
