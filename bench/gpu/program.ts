import { parseArgs } from 'node:util';
import { runHeadless, SOFTWARE } from './headless.js';
import { serve } from './serve.js';
import { ATTENTION } from './settings.js';

const PORT = 5174;

const USAGE = `npm run bench:gpu                     serves the page for your own browser and prints its address
  --port 5174                         where; the next free one when it is in use

npm run bench:gpu -- --headless       runs the page in a headless Chromium in software and prints its result
  --adapter swiftshader|llvmpipe      default swiftshader
  --size 64x48                        source sizes, with commas
  --model nano,live                   networks, with commas; attention: that alone
  --rounds 3                          of each engine, in turns
  --tries 12                          tunings, and matrix products for the peak, that are tried at most
  --help                              this text`;

/** Runs the command line. */
export async function main(args: readonly string[]): Promise<void> {
  try {
    await run(args);
  } catch (thrown) {
    console.error(thrown instanceof Error ? thrown.message : thrown);
    process.exitCode = 1;
  }
}

async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      headless: { type: 'boolean', default: false },
      adapter: { type: 'string', default: 'swiftshader' },
      size: { type: 'string', default: '64x48' },
      model: { type: 'string', default: 'nano,live' },
      rounds: { type: 'string', default: '3' },
      tries: { type: 'string', default: '12' },
      port: { type: 'string', default: `${PORT}` },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return;
  }
  if (!values.headless) {
    const port = Number(values.port);
    if (!(Number.isInteger(port) && port >= 0 && port < 65536)) throw new Error('--port is a number from 0 to 65535.');
    const { url } = await serve(port);
    console.log(`The GPU bench is at ${url} (Ctrl+C ends it)`);
    return;
  }
  const adapter = SOFTWARE.find((name) => name === values.adapter);
  if (!adapter) throw new Error(`--adapter is ${SOFTWARE.join(' or ')}, not ${values.adapter}.`);
  const models = values.model
    .split(',')
    .map((name) => (name.includes('-') || name === ATTENTION ? name : `mana-${name}-x2`));
  // In software a frame takes longer than a round is meant to: each is a few frames at most.
  const { rounds, tries } = values;
  const query = new URLSearchParams({
    models: models.join(),
    sizes: values.size,
    rounds,
    tries,
    roundMs: '200',
  });
  // Chromium has it at this level only, and another adapter at the other.
  if (adapter === 'llvmpipe') query.set('levels', 'compatibility');
  const served = await serve(0);
  try {
    const tell = (sentence: string): void => void process.stderr.write(`${sentence}\n`);
    process.stdout.write(await runHeadless(served.url, adapter, query, tell));
  } finally {
    await served.close();
  }
}
