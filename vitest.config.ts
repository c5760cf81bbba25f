import { defineConfig } from 'vitest/config';

/** A guard against hanging, ten times what the slowest test usually takes: no test is about how long it took. */
const HANGS_MS = 300_000;

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: 'test/support/setup.ts',
    testTimeout: HANGS_MS,
    hookTimeout: HANGS_MS,
    expect: { poll: { timeout: 240_000 } },
    // What is built runs as it is.
    server: { deps: { external: [/\/dist\/[^/]+\.js$/] } },
    // Most tests wait for a browser most of the time.
    maxWorkers: 3,
  },
});
