/** Starts a server that upscales, and beside it a page to publish with and a page to watch with. */
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer as createHttp } from 'node:http';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createServer as createPages } from 'vite';

const HELP = `Starts a server that upscales, and two pages: one publishes, one watches.

  npm run example:sfu -- [options]

  --port <n>          of the pages; 0 takes a free one.     Default 5180. [PORT]
  --server-port <n>   of the server; 0 takes a free one.    Default 8080. [SERVER_PORT]
  --token <text>      to publish and to watch with; without one anybody may. [TOKEN]
`;

const root = fileURLToPath(new URL('../..', import.meta.url));
const built = new URL('../../dist/server.js', import.meta.url);

function readOptions() {
  const { PORT = '5180', SERVER_PORT = '8080', TOKEN } = process.env;
  const text = (fallback) => ({ type: 'string', ...(fallback === undefined ? {} : { default: fallback }) });
  const { values } = parseArgs({
    options: {
      port: text(PORT),
      'server-port': text(SERVER_PORT),
      token: text(TOKEN),
      help: { type: 'boolean', short: 'h' },
    },
  });
  const port = (name) => {
    const number = Number(values[name]);
    if (Number.isInteger(number) && number >= 0 && number < 65536) return number;
    throw new TypeError(`--${name} must be a number from 0 to 65535.`);
  };
  return { port: port('port'), serverPort: port('server-port'), token: values.token, help: values.help };
}

/** Serves the pages of this folder; each knows where the server is. */
async function servePages(port, serverUrl) {
  const http = createHttp((request, response) => pages.middlewares(request, response));
  const pages = await createPages({
    root: fileURLToPath(new URL('.', import.meta.url)),
    configFile: false,
    // Servers that run at the same time must not share one.
    cacheDir: fileURLToPath(new URL('../../node_modules/.vite/sfu', import.meta.url)),
    logLevel: 'error',
    clearScreen: false,
    appType: 'mpa',
    define: { SERVER_URL: JSON.stringify(serverUrl) },
    // With a server of its own it would take signals too, and end the process before all else has ended.
    server: { middlewareMode: true, hmr: { server: http }, watch: null, fs: { allow: [root] } },
  });
  const close = async () => {
    http.close();
    http.closeAllConnections();
    await pages.close();
  };
  try {
    http.listen(port, '127.0.0.1');
    await once(http, 'listening');
    return { url: `http://127.0.0.1:${http.address().port}`, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function start({ port, serverPort, token }) {
  if (!existsSync(built)) throw new Error('dist/ is missing: run `npm run build` first, or `npm run example:sfu`.');
  const { createServer } = await import(built.href);
  const server = await createServer({
    port: serverPort,
    logLevel: 'warn',
    drainMs: 0,
    // All addresses of this machine: Firefox does not speak WebRTC with 127.0.0.1.
    media: { host: '0.0.0.0' },
    // Pages of this machine may use a server of this machine; pages of elsewhere would be named in `allowedOrigins`.
    auth: token === undefined ? { none: true } : { publishToken: token, watchToken: token },
  });
  try {
    const pages = await servePages(port, server.url);
    return {
      pagesUrl: pages.url,
      serverUrl: server.url,
      close: async () => {
        await pages.close();
        await server.close();
      },
    };
  } catch (error) {
    await server.close();
    throw error;
  }
}

try {
  const options = readOptions();
  if (options.help) {
    console.log(HELP);
    process.exit(0);
  }
  const { pagesUrl, serverUrl, close } = await start(options);
  console.log(`Publish:  ${pagesUrl}/publish.html`);
  console.log(`Watch:    ${pagesUrl}/watch.html`);
  console.log(`Server:   ${serverUrl}  (Ctrl+C ends all)`);
  let ending = false;
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.on(signal, () => {
      if (ending) process.exit(130);
      ending = true;
      close().then(
        () => process.exit(0),
        (error) => {
          console.error(error);
          process.exit(1);
        },
      );
    });
  }
} catch (error) {
  const taken = error?.code === 'EADDRINUSE';
  console.error(taken ? `Port ${error.port} is in use: choose another with --port or --server-port.` : error.message);
  process.exit(1);
}
