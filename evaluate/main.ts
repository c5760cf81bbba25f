import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import * as ort from 'onnxruntime-web';
import { type Column, table } from '../bench/table.js';
import type { LoadedModel } from '../src/engine/engine.js';
import { OrtCpuEngine } from '../src/engine/ort/cpu.js';
import { OrtRunner } from '../src/engine/ort/graph-runner.js';
import { ortRuntime } from '../src/engine/ort/runtime.js';
import { verify } from '../src/engine/verify.js';
import type { PlanarFrame } from '../src/frame/frame.js';
import { rgbx } from '../src/frame/rgbx.js';
import { fetchOrRead } from '../src/model/file-fetch.js';
import { ModelLoader } from '../src/model/loader.js';
import { EDGE, type Measured, measure } from './measure.js';
import { BORDER, type Figures, meanFigures } from './metrics.js';
import { type EvaluateOptions, parseOptions, USAGE } from './options.js';
import { sequencesOf } from './sequences.js';

/** Measures a model as the command line asks, through the pipeline that Node users get: WASM, tiles and all. */
export async function main(args: readonly string[]): Promise<void> {
  let options: EvaluateOptions | undefined;
  try {
    options = parseOptions(args);
  } catch (thrown) {
    console.error(`${(thrown as Error).message}\n\n${USAGE}`);
    process.exitCode = 1;
    return;
  }
  if (!options) {
    console.log(USAGE);
    return;
  }
  try {
    await evaluate(options);
  } catch (thrown) {
    console.error((thrown as Error).message);
    process.exitCode = 1;
  }
}

async function evaluate(options: EvaluateOptions): Promise<void> {
  const { vid4, only, threads, json, lookahead } = options;
  const all = await sequencesOf(vid4);
  const chosen = all.filter(({ name }) => !only || only.includes(name));
  if (!chosen.length) throw new Error(`--only must name some of ${all.map(({ name }) => name).join(', ')}.`);
  const model = await loadModel(options.model);
  const engine = startEngine(threads);
  await verify(engine, model);
  const measured: Measured[] = [];
  for (const sequence of chosen) {
    console.error(`... ${sequence.name}`);
    measured.push(await measure(engine, model, sequence, options));
  }
  const { name, scale } = model.manifest;
  console.log(
    `${name}, lookahead ${lookahead}, WASM, tiles a frame: ${measured.map(({ tiles }) => tiles).join(' ')}\n` +
      `PIL bicubic x${scale} down, all frames but ${EDGE} at each end, ${BORDER} pixels of border cut\n\n` +
      table(COLUMNS, rowsOf(name, measured)),
  );
  if (json) {
    const figures = { model: name, scale, lookahead, sequences: measured, mean: meanOf(measured) };
    await writeFile(json, `${JSON.stringify(figures, null, 2)}\n`);
  }
}

/** @param model a name in `models/`, or the path of a folder */
function loadModel(model: string): Promise<LoadedModel> {
  const shipped = fileURLToPath(new URL(`../models/${model}/manifest.json`, import.meta.url));
  const manifest = existsSync(shipped) ? shipped : join(resolve(model), 'manifest.json');
  return new ModelLoader({ fetch: fetchOrRead }).load({ manifest: pathToFileURL(manifest).href });
}

function startEngine(threads: number): OrtCpuEngine<PlanarFrame, PlanarFrame> {
  ort.env.logLevel = 'error';
  ort.env.wasm.numThreads = threads;
  return new OrtCpuEngine(new OrtRunner(ortRuntime(ort, threads)), () => ({
    read: (frame) => frame,
    write: (pixels, { width, height }, times) => rgbx(pixels.slice(), width, height, times),
  }));
}

interface Row {
  readonly name: string;
  readonly frames: number;
  readonly method: string;
  readonly figures: Figures;
}

const COLUMNS: readonly Column<Row>[] = [
  { name: 'sequence', left: true, text: ({ name }) => name },
  { name: 'frames', text: ({ frames }) => `${frames}` },
  { name: 'method', left: true, text: ({ method }) => method },
  { name: 'PSNR Y', text: ({ figures }) => figures.psnrY.toFixed(3) },
  { name: 'SSIM Y', text: ({ figures }) => figures.ssimY.toFixed(4) },
  { name: 'PSNR RGB', text: ({ figures }) => figures.psnrRgb.toFixed(3) },
  { name: 'flicker', text: ({ figures }) => (Number.isNaN(figures.flicker) ? '-' : figures.flicker.toFixed(3)) },
];

function meanOf(measured: readonly Measured[]): Pick<Measured, 'bicubic' | 'model'> {
  return {
    bicubic: meanFigures(measured.map(({ bicubic }) => bicubic)),
    model: meanFigures(measured.map(({ model }) => model)),
  };
}

function rowsOf(model: string, measured: readonly Measured[]): Row[] {
  const frames = measured.reduce((sum, one) => sum + one.frames, 0);
  return [...measured, { name: 'mean', frames, ...meanOf(measured) }].flatMap((one) => [
    { name: one.name, frames: one.frames, method: 'bicubic', figures: one.bicubic },
    { name: one.name, frames: one.frames, method: model, figures: one.model },
  ]);
}
