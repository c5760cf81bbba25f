import { checkSettings, flattenOptions } from './config.js';
import type { ServerConfig } from './options.js';
import { isRecord, settingFromText } from './setting-values.js';
import { SETTINGS, type Setting } from './settings.js';

/** Where a server's options are written down, the strongest first. */
export interface ConfigSources {
  /** By flag, without dashes. */
  readonly flags?: Readonly<Record<string, string | true>>;
  /** The environment: `MANA_*`. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** The text of a JSON file in the shape of `ServerOptions`, and what to call it. */
  readonly file?: { readonly name: string; readonly text: string };
}

const MAX_FILE_CHARACTERS = 1024 * 1024;

/**
 * Reads options from the command line, the environment and a file: each stands above the one after it.
 * @throws TypeError with a sentence that names what is wrong by where it was written
 */
export function readConfig({ flags = {}, env = {}, file }: ConfigSources): ServerConfig {
  const names = new Map<string, string>();
  const nameOf = (path: string) => names.get(path) ?? (file ? `${path} in ${file.name}` : path);
  const values = file ? flattenOptions(readFile(file), nameOf) : new Map<string, unknown>();
  const take = (setting: Setting, text: string | true, name: string) => {
    names.set(setting.path, name);
    values.set(setting.path, text === true ? true : settingFromText(setting, text, name));
  };
  for (const setting of SETTINGS) {
    const inEnv = env[setting.env];
    if (inEnv !== undefined) take(setting, inEnv, setting.env);
    const written = Object.hasOwn(flags, setting.flag) ? flags[setting.flag] : undefined;
    if (written !== undefined) take(setting, written, `--${setting.flag}`);
  }
  return checkSettings(values, nameOf);
}

function readFile({ name, text }: { name: string; text: string }): unknown {
  if (text.length > MAX_FILE_CHARACTERS) throw new TypeError(`${name} must not have more than a million characters.`);
  try {
    const options: unknown = JSON.parse(text);
    if (isRecord(options)) return options;
  } catch (error) {
    throw new TypeError(`${name} must be JSON.`, { cause: error });
  }
  throw new TypeError(`${name} must hold a JSON object.`);
}
