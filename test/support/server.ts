import { fileURLToPath } from 'node:url';
import { createServer, type ViteDevServer } from 'vite';

/** A server of the repository's files for test pages. */
export interface TestServer {
  /** Address of an empty page; modules are imported from there. */
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Serves the repository on 127.0.0.1, TypeScript compiled on the fly. Pages are cross-origin isolated, so that WASM may
 * use threads.
 */
export async function startServer({ isolated = true } = {}): Promise<TestServer> {
  const server: ViteDevServer = await createServer({
    root: fileURLToPath(new URL('../..', import.meta.url)),
    configFile: false,
    // Servers that run at the same time must not share one.
    cacheDir: fileURLToPath(new URL('../../node_modules/.vite/test-pages', import.meta.url)),
    logLevel: 'error',
    appType: 'mpa',
    resolve: { alias: { 'mana-upscale/worker': fileURLToPath(new URL('../../dist/worker.js', import.meta.url)) } },
    // The built package is what is tested; bundling it again in advance would move it away from its workers.
    optimizeDeps: { noDiscovery: true, include: ['rxjs', '@eyevinn/whip-web-client'] },
    server: {
      host: '127.0.0.1',
      port: 0,
      hmr: false,
      watch: null,
      headers: isolated
        ? { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' }
        : {},
    },
  });
  await server.listen();
  const address = server.httpServer?.address();
  if (typeof address !== 'object' || address === null) throw new Error('The test server did not start.');
  return { url: `http://127.0.0.1:${address.port}/test/pages/index.html`, close: () => server.close() };
}
