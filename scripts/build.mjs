/** Builds `dist/`: bundles, types, models and ONNX Runtime's files. Fails when our own browser code grows too large. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

/** Most that everything of ours which a browser may load can weigh, gzipped. */
const BUDGET_BYTES = 79 * 1024;
const BROWSER_FILES = ['index.js', 'io.worker.js', 'engine.worker.js', 'audio-delay.worklet.js'];
/** Most that what is fetched for files alone can weigh, gzipped: mediabunny is most of it. */
const FILE_BUDGET_BYTES = 204 * 1024;
const FILE_FILES = ['file.worker.js', 'ffmpeg.worker.js'];
const ORT_FILES = [
  'ort.wasm.min.mjs',
  'ort-wasm-simd-threaded.mjs',
  'ort-wasm-simd-threaded.wasm',
  'ort.webgpu.min.mjs',
  'ort-wasm-simd-threaded.asyncify.mjs',
  'ort-wasm-simd-threaded.asyncify.wasm',
];

const root = fileURLToPath(new URL('..', import.meta.url));
const require = createRequire(import.meta.url);
/** Runs a program of a package; the build ends with the first that fails. */
const run = async (program, ...args) => {
  const child = spawn(process.execPath, [join(root, 'node_modules', program), ...args], {
    cwd: root,
    stdio: 'inherit',
  });
  const [code] = await once(child, 'exit');
  if (code !== 0) process.exit(code ?? 1);
};

rmSync(join(root, 'dist'), { recursive: true, force: true });
await Promise.all([
  run('rollup/dist/bin/rollup', '-c', '--silent'),
  run('typescript/bin/tsc', '-p', 'tsconfig.build.json'),
  // Fails on a public symbol without documentation.
  run('typedoc/bin/typedoc', '--emit', 'none', '--logLevel', 'Warn'),
]);
cpSync(join(root, 'models'), join(root, 'dist/models'), { recursive: true });
mkdirSync(join(root, 'dist/ort'));
const ort = dirname(require.resolve('onnxruntime-web'));
for (const file of ORT_FILES) cpSync(join(ort, file), join(root, 'dist/ort', file));

const kilobytes = (bytes) => `${(bytes / 1024).toFixed(1)} KB`.padStart(11);
const report = (name) => {
  const bytes = readFileSync(join(root, 'dist', name));
  const zipped = gzipSync(bytes, { level: 9 }).length;
  console.log(`${name.padEnd(46)}${kilobytes(bytes.length)} raw${kilobytes(zipped)} gzip`);
  return zipped;
};
const weigh = (files) => files.map(report).reduce((sum, bytes) => sum + bytes, 0);
const ours = weigh(BROWSER_FILES);
const forFiles = weigh(FILE_FILES);
for (const file of ['node.js', 'worker.js', ...ORT_FILES.map((name) => `ort/${name}`)]) report(file);
console.log(`our own browser code: ${kilobytes(ours).trim()} gzip of ${kilobytes(BUDGET_BYTES).trim()} allowed`);
if (ours > BUDGET_BYTES) {
  console.error('Our own browser code is larger than allowed.');
  process.exit(1);
}
console.log(
  `code for files, mediabunny in it: ${kilobytes(forFiles).trim()} gzip of ${kilobytes(FILE_BUDGET_BYTES).trim()} allowed`,
);
if (forFiles > FILE_BUDGET_BYTES) {
  console.error('The code for files is larger than allowed.');
  process.exit(1);
}
