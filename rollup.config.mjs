import { isAbsolute } from 'node:path';
import resolve from '@rollup/plugin-node-resolve';
import esbuild from 'rollup-plugin-esbuild';

/** Each entry is one file, so that pages can host the workers anywhere. Packages stay the consumer's. */
const entry = (input, file) => ({
  input,
  output: { file: `dist/${file}`, format: 'es', sourcemap: true, inlineDynamicImports: true },
  external: (id) => !id.startsWith('.') && !isAbsolute(id),
  plugins: [resolve(), esbuild({ target: 'es2022', minify: /\.(worker|worklet)\.js$/.test(file) })],
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
  entry('worklets/media.thread.ts', 'media.thread.js'),
  entry('worklets/io.worker.ts', 'io.worker.js'),
  entry('worklets/engine.worker.ts', 'engine.worker.js'),
  entry('worklets/audio-delay.worklet.ts', 'audio-delay.worklet.js'),
];
