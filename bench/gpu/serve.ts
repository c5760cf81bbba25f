import { fileURLToPath } from 'node:url';
import { createServer } from 'vite';

/** The page, served. */
export interface Served {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Serves `bench/gpu.html` on 127.0.0.1, TypeScript compiled on the fly.
 * @param port the next free one is taken when it is in use; 0 is any free one
 */
export async function serve(port: number): Promise<Served> {
  const server = await createServer({
    root: fileURLToPath(new URL('../..', import.meta.url)),
    configFile: false,
    // Servers that run at the same time must not share one.
    cacheDir: fileURLToPath(new URL('../../node_modules/.vite/gpu-bench', import.meta.url)),
    logLevel: 'error',
    clearScreen: false,
    appType: 'mpa',
    optimizeDeps: { noDiscovery: true },
    server: {
      host: '127.0.0.1',
      port,
      hmr: false,
      watch: null,
      // A cross-origin isolated page has the finer clock.
      headers: { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' },
    },
  });
  await server.listen();
  const address = server.httpServer?.address();
  if (typeof address !== 'object' || address === null) throw new Error('The server did not start.');
  return { url: `http://127.0.0.1:${address.port}/bench/gpu.html`, close: () => server.close() };
}
