import { defineConfig } from 'vitest/config';

/** Tests in real time, most of them with a browser: on two cores none may run beside them. */
const IN_REAL_TIME = [
  'test/browser/!(consumer|demo-file|file|file-ffmpeg|file-firefox|gpu-bench).test.ts',
  'test/examples*.test.ts',
  'test/server/{av-sync,clients*,processors,rtc,rtc-upscaled,server,unharmed-fuzz}.test.ts',
  'test/unit/operator.test.ts',
];

export default defineConfig({
  test: {
    testTimeout: 60_000,
    hookTimeout: 120_000,
    globalSetup: 'test/support/install.ts',
    projects: [
      {
        extends: true,
        test: {
          name: 'computed',
          include: ['test/**/*.test.ts'],
          exclude: IN_REAL_TIME,
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'in real time',
          include: IN_REAL_TIME,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
