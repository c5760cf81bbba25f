import { isAbsolute } from 'node:path';
import resolve from '@rollup/plugin-node-resolve';
import esbuild from 'rollup-plugin-esbuild';

/** What has to stand at the head of a file that holds code of others. */
const LICENCES = {
  mediabunny:
    '/*! Contains mediabunny (https://github.com/Vanilagy/mediabunny), unchanged, under the Mozilla Public License 2.0. */',
  '@ffmpeg/ffmpeg': '/*! Contains @ffmpeg/ffmpeg (https://github.com/ffmpegwasm/ffmpeg.wasm) under the MIT License. */',
};

/** The worker of `@ffmpeg/ffmpeg` by the name it has here, or bundlers would look for it under the one it has there. */
const renamedWorker = {
  name: 'renamed-worker',
  transform: (code, id) =>
    id.includes('@ffmpeg/ffmpeg') && code.includes('"./worker.js"')
      ? { code: code.replaceAll('"./worker.js"', '"./ffmpeg.worker.js"'), map: null }
      : null,
};

/** What `cli.js` imports as a file of its own, so that tests can call it without a process. */
const COMMAND_LINE = './command-line.js';

/**
 * Each entry is one file, so that pages can host the workers anywhere. Packages stay the consumer's.
 * @param bundled packages that become part of the file: a worker has no bundler that would find them
 */
const entry = (input, file, bundled = []) => ({
  input,
  output: {
    file: `dist/${file}`,
    format: 'es',
    sourcemap: true,
    inlineDynamicImports: true,
    paths: (id) => (id.endsWith(COMMAND_LINE.slice(1)) ? COMMAND_LINE : id),
    banner: bundled.map((name) => LICENCES[name]).join('\n'),
  },
  external: (id) =>
    id === COMMAND_LINE || (!id.startsWith('.') && !isAbsolute(id) && !bundled.some((name) => id.startsWith(name))),
  plugins: [
    renamedWorker,
    resolve({ browser: true }),
    esbuild({ target: 'es2022', minify: /\.(worker|worklet)\.js$/.test(file) }),
  ],
});

export default [
  entry('src/index.ts', 'index.js'),
  entry('src/node.ts', 'node.js'),
  entry('src/worker.ts', 'worker.js'),
  entry('worklets/io.thread.ts', 'io.thread.js'),
  entry('worklets/engine.thread.ts', 'engine.thread.js'),
  entry('worklets/graph.thread.ts', 'graph.thread.js'),
  entry('src/server/index.ts', 'server.js'),
  entry('src/cli/bin.ts', 'cli.js'),
  entry('src/cli/command-line.ts', 'command-line.js'),
  entry('worklets/media.thread.ts', 'media.thread.js'),
  entry('worklets/io.worker.ts', 'io.worker.js'),
  entry('worklets/engine.worker.ts', 'engine.worker.js'),
  entry('worklets/file.worker.ts', 'file.worker.js', ['mediabunny', '@ffmpeg/ffmpeg']),
  entry('worklets/ffmpeg.worker.ts', 'ffmpeg.worker.js', ['@ffmpeg/ffmpeg']),
  entry('worklets/audio-delay.worklet.ts', 'audio-delay.worklet.js'),
];
