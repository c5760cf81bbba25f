/** Serves the demo in `examples/demo` with the package as it was built into `dist/`. */
import { createReadStream, existsSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createServer } from 'vite';

const DEFAULT_PORT = 5173;
const root = fileURLToPath(new URL('..', import.meta.url));
const built = fileURLToPath(new URL('../dist/index.js', import.meta.url));
const builtWorker = fileURLToPath(new URL('../dist/worker.js', import.meta.url));

/** ffmpeg's core for files that the browser cannot decode: a development dependency, no part of the package. */
const ffmpegCore = {
  name: 'ffmpeg-core',
  configureServer: (server) => {
    const folder = join(dirname(createRequire(import.meta.url).resolve('@ffmpeg/core')), '../esm');
    const types = { 'ffmpeg-core.js': 'text/javascript', 'ffmpeg-core.wasm': 'application/wasm' };
    server.middlewares.use('/ffmpeg-core/', (request, response, next) => {
      const name = new URL(request.url ?? '/', 'http://here').pathname.slice(1);
      if (!Object.hasOwn(types, name)) return next();
      response.setHeader('Content-Type', types[name]);
      response.setHeader('Cross-Origin-Embedder-Policy', 'require-corp');
      response.setHeader('Cross-Origin-Resource-Policy', 'same-origin');
      createReadStream(join(folder, name)).on('error', next).pipe(response);
    });
  },
};

/**
 * Starts the server on 127.0.0.1.
 * @param {{ port?: number }} [options] `port`: the next free one is taken when it is in use; 0 is any free one
 * @returns {Promise<{ url: string, close(): Promise<void> }>}
 */
export async function startDemo({ port = DEFAULT_PORT } = {}) {
  if (!existsSync(built)) throw new Error('dist/ is missing: run `npm run build` first, or `npm start`.');
  const server = await createServer({
    root: fileURLToPath(new URL('../examples/demo', import.meta.url)),
    configFile: false,
    // Servers that run at the same time must not share one.
    cacheDir: fileURLToPath(new URL('../node_modules/.vite/demo', import.meta.url)),
    logLevel: 'error',
    clearScreen: false,
    plugins: [ffmpegCore],
    resolve: { alias: { 'mana-upscale/worker': builtWorker, 'mana-upscale': built } },
    // Bundled in advance, the package would be moved away from its workers.
    optimizeDeps: { exclude: ['mana-upscale'], include: ['rxjs', 'uplot'] },
    server: {
      host: '127.0.0.1',
      port,
      hmr: false,
      watch: null,
      fs: { allow: [root] },
      // A cross-origin isolated page may use WASM threads.
      headers: {
        'Cross-Origin-Opener-Policy': 'same-origin',
        'Cross-Origin-Embedder-Policy': 'require-corp',
      },
    },
  });
  await server.listen();
  const address = server.httpServer?.address();
  if (typeof address !== 'object' || address === null) throw new Error('The server did not start.');
  return { url: `http://127.0.0.1:${address.port}/`, close: () => server.close() };
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const port = process.env.PORT === undefined ? DEFAULT_PORT : Number(process.env.PORT);
  if (!(Number.isInteger(port) && port >= 0 && port < 65536)) {
    console.error('PORT must be a number from 0 to 65535.');
    process.exit(1);
  }
  const { url } = await startDemo({ port });
  console.log(`The demo is at ${url} (Ctrl+C ends it)`);
}
