import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { type Command, Option } from 'commander';
import { reasonOf } from '../frame/errors.js';
import { readConfig } from '../server/config-sources.js';
import type { ServerConfig } from '../server/options.js';
import { SETTINGS, type Setting } from '../server/settings.js';
import { EXIT, onProcessSignal } from './process.js';

/** A server that was started. */
export interface RunningServer {
  readonly port: number;
  close(options?: { readonly drainMs?: number }): Promise<void>;
}

/** What `serve` works with. */
export interface ServeParts {
  /** Starts a server. What it throws is printed in one line. */
  readonly start: (config: ServerConfig) => Promise<RunningServer>;
  /** Default: the process's. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Takes lines for people; logs do not go here. */
  readonly print: (line: string) => void;
  /** Calls back for each signal to end; what it returns stops that. Default: SIGINT and SIGTERM. */
  readonly onSignal?: ((end: () => void) => () => void) | undefined;
}

/** Adds `serve` to the command line. @param done told its exit code */
export function addServe(program: Command, parts: ServeParts, done: (code: number) => void): void {
  const serve = program
    .command('serve')
    .description('Takes streams by WHIP or WebSocket and gives them on by WHEP or WebSocket, upscaled or as sent.')
    .option('--config <file>', 'JSON file with options; flags and the environment stand above it. [MANA_CONFIG]')
    .action(async (flags: Record<string, unknown>) => done(await run(flags, serve, parts)));
  for (const setting of SETTINGS) serve.addOption(optionOf(setting));
}

async function run(flags: Record<string, unknown>, serve: Command, parts: ServeParts): Promise<number> {
  const { start, env = process.env, print, onSignal = onProcessSignal } = parts;
  let config: ServerConfig;
  try {
    const file = typeof flags['config'] === 'string' ? flags['config'] : env['MANA_CONFIG'];
    config = readConfig({
      flags: writtenFlags(serve),
      env,
      ...(file ? { file: { name: file, text: readFileSync(file, 'utf8') } } : {}),
    });
  } catch (error) {
    print(`mana-upscale: ${reasonOf(error)}`);
    return EXIT.usage;
  }
  let server: RunningServer;
  try {
    server = await start(config);
  } catch (error) {
    print(`mana-upscale: ${reasonOf(error)}`);
    return EXIT.failed;
  }
  for (const line of greeting(config, server.port, addressesOf(config.host))) print(line);
  return untilEnd(server, onSignal, print);
}

/** Ends with the first signal, in good order; with a second one, at once. */
function untilEnd(
  server: RunningServer,
  onSignal: NonNullable<ServeParts['onSignal']>,
  print: (line: string) => void,
): Promise<number> {
  return new Promise((resolve) => {
    let signals = 0;
    const done = (code: number) => {
      stop();
      resolve(code);
    };
    const stop = onSignal(() => {
      signals++;
      if (signals === 2) done(EXIT.cut);
      if (signals > 1) return;
      print('Ending: sessions have time to end. Once more to end at once.');
      server.close().then(
        () => done(EXIT.ok),
        (error: unknown) => {
          print(`mana-upscale: ${reasonOf(error)}`);
          done(EXIT.failed);
        },
      );
    });
  });
}

function optionOf({ flag, env, kind, fallback, help }: Setting): Option {
  const value = {
    text: '<text>',
    flag: '',
    integer: '<n>',
    number: '<n>',
    list: '<a,b>',
    ports: '<min-max>',
    json: '<json>',
  };
  const isDull = fallback === undefined || fallback === false || typeof fallback === 'object';
  const note = isDull ? '' : ` Default ${fallback}.`;
  return new Option(`--${flag} ${value[kind]}`.trim(), `${help}${note} [${env}]`);
}

/** What stands on the command line, by flag. */
function writtenFlags(serve: Command): Record<string, string | true> {
  const written: Record<string, string | true> = {};
  for (const option of serve.options) {
    const name = option.attributeName();
    const value: unknown = serve.getOptionValue(name);
    if (serve.getOptionValueSource(name) !== 'cli') continue;
    const flag = option.long?.slice(2) ?? name;
    // Commander understands `--no-auth` as `auth` that is false.
    written[flag] = typeof value === 'string' ? value : true;
  }
  return written;
}

/** Addresses that others reach a host by. */
function addressesOf(host: string): string[] {
  if (host !== '0.0.0.0' && host !== '::') return [host];
  const own = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const lan = own.filter(({ family, internal }) => family === 'IPv4' && !internal).map(({ address }) => address);
  return ['localhost', ...lan];
}

/** What somebody who started the server first wants to know. */
export function greeting({ auth }: ServerConfig, port: number, addresses: readonly string[]): string[] {
  const lines = addresses.flatMap((address) => {
    const host = `${address.includes(':') ? `[${address}]` : address}:${port}`;
    return [
      `Publish (WHIP):    http://${host}/whip/my-stream`,
      `Watch (WHEP):      http://${host}/whep/my-stream            upscaled; ?video=source: as sent`,
      `WebSocket:         ws://${host}/ws`,
    ];
  });
  const tokens = auth.publishToken ?? auth.watchToken ?? Object.keys(auth.tokens)[0];
  if (auth.authorize || tokens !== undefined) lines.push('Who may: bearer tokens are asked for.');
  else lines.push('Who may: anyone who reaches this address.');
  const noWatch = !auth.openWatch && !auth.watchToken && !Object.values(auth.tokens).some(({ watch }) => watch);
  if (auth.publishToken !== undefined && noWatch && !auth.authorize) {
    lines.push('Nobody can watch: give --watch-token, or --open-watch.');
  }
  return lines;
}
