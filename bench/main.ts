import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { type Size, sameSize, sizeText } from '../src/frame/frame.js';
import type { ShippedModel } from '../src/model/registry.js';
import { type BenchPage, withBench } from './browser.js';
import { load, machine, machineText } from './machine.js';
import { memory, memoryText } from './memory.js';
import { type BenchOptions, parseOptions, USAGE } from './options.js';
import type { Bookkeeping } from './pages/bookkeeping.js';
import type { CaseRequest, CaseResult } from './pages/case.worker.js';
import { SUSTAINED, sustained, sustainedText } from './sustained.js';
import { type Column, digits, percent, table } from './table.js';

/** How long each thing is measured. */
const FULL = { seconds: 8, leastFrames: 3, sustainedSeconds: 20 } as const;
const QUICK = { seconds: 1, leastFrames: 2, sustainedSeconds: 5 } as const;

interface SpeedRow {
  readonly model: ShippedModel;
  readonly size: Size;
  readonly threads: number;
  readonly result: CaseResult;
}

/** Runs the bench as the command line asks. */
export async function main(args: readonly string[]): Promise<void> {
  let options: BenchOptions | undefined;
  try {
    options = parseOptions(args);
    if (!existsSync(fileURLToPath(new URL('../dist/ort', import.meta.url)))) {
      throw new Error('dist/ is missing: run `npm run build` first.');
    }
  } catch (thrown) {
    console.error(`${(thrown as Error).message}\n\n${USAGE}`);
    process.exitCode = 1;
    return;
  }
  if (!options) {
    console.log(USAGE);
    return;
  }
  const loadAtStart = load();
  const figures = options.memory ? await memoryFigures(options) : await speedFigures(options);
  const where = machine(await withBench(({ browser }) => browser.version()), loadAtStart);
  console.log(machineText(where));
  if (options.json) await writeFile(options.json, `${JSON.stringify({ ...figures, machine: where }, null, 2)}\n`);
}

async function memoryFigures({ quick }: BenchOptions): Promise<object> {
  const results = await memory(quick, progress);
  for (const result of results) console.log(`${memoryText(result)}\n`);
  return { memory: results };
}

async function speedFigures(options: BenchOptions): Promise<object> {
  const { seconds, leastFrames, sustainedSeconds } = options.quick ? QUICK : FULL;
  const cases = options.models.flatMap((model) =>
    options.sizes.flatMap((size) => options.threads.map((threads) => ({ model, size, threads }))),
  );
  const withSustained = cases.some(
    ({ model, size, threads }) =>
      model === SUSTAINED.model && sameSize(size, SUSTAINED.size) && threads === SUSTAINED.threads,
  );
  return withBench(async (bench) => {
    const page = await bench.open();
    const rows: SpeedRow[] = [];
    for (const one of cases) {
      progress(`${one.model} ${sizeText(one.size)}, threads: ${one.threads}`);
      rows.push({
        ...one,
        result: await measureCase(page, { ...one, maxTilePixels: options.tile, seconds, leastFrames }),
      });
    }
    const bookkeeping = await page.call<Bookkeeping>('bookkeeping', 'measureBookkeeping');
    await page.close();
    console.log(speedText(rows));
    console.log(bookkeepingText(bookkeeping));
    if (!withSustained) return { speed: rows };
    progress(`sustained, ${sustainedSeconds} seconds`);
    const stream = await sustained(bench, sustainedSeconds);
    console.log(`${sustainedText(stream)}\n`);
    return { speed: rows, sustained: stream };
  });
}

function measureCase(page: BenchPage, request: CaseRequest): Promise<CaseResult> {
  return page.call('speed', 'measureCase', request);
}

const NAMES: readonly Column<SpeedRow>[] = [
  { name: 'model', left: true, text: ({ model }) => model },
  { name: 'size', left: true, text: ({ size }) => sizeText(size) },
  { name: 'threads', text: ({ threads }) => `${threads}` },
];

function stage(name: string, key: keyof CaseResult['stageMs']): Column<SpeedRow> {
  return { name, text: ({ result }) => digits(result.stageMs[key]) };
}

const STAGES: readonly Column<SpeedRow>[] = [
  ...NAMES,
  stage('copy in', 'copyIn'),
  stage('pack', 'pack'),
  stage('compare', 'compare'),
  stage('encode', 'encode'),
  stage('gather', 'gather'),
  stage('fuse', 'fuse'),
  stage('stitch', 'stitch'),
  stage('out', 'out'),
  { name: 'frame', text: ({ result }) => digits(result.frameMs) },
  { name: 'outside', text: ({ result }) => percent(result.outsideShare) },
];

const SUMMARY: readonly Column<SpeedRow>[] = [
  ...NAMES,
  { name: 'fps', text: ({ result }) => digits(1000 / result.frameMs) },
  { name: 'GMAC/s', text: ({ result }) => digits(result.macs / 1e6 / result.networkMs) },
  { name: 'tiles', text: ({ result: { tiles } }) => `${tiles.encode}+${tiles.fuse}` },
  { name: 'computed/kept', text: ({ result }) => digits(result.computedOverKept) },
  {
    name: 'yardstick',
    text: ({ result: { yardstick } }) => ('ms' in yardstick ? `${digits(yardstick.ms)} ms` : '-'),
  },
  { name: 'ours/yardstick', text: ({ result: { yardstick } }) => ('ms' in yardstick ? digits(yardstick.ratio) : '-') },
  { name: 'frames', text: ({ result }) => `${result.frames}` },
];

function speedText(rows: readonly SpeedRow[]): string {
  const notes = rows.flatMap(({ model, size, threads, result: { yardstick, tilesReused } }) => [
    ...('skipped' in yardstick ? [`No yardstick for ${model} at ${sizeText(size)}: ${yardstick.skipped}.`] : []),
    ...(tilesReused ? [`${model} ${sizeText(size)}, ${threads} threads: ${tilesReused} tiles were NOT COMPUTED.`] : []),
  ]);
  return [
    'Milliseconds a frame, by stage (medians)',
    table(STAGES, rows),
    '',
    'Speed, and one plain run of ONNX Runtime on the whole frame as the yardstick',
    table(SUMMARY, rows),
    ...notes,
    '',
  ].join('\n');
}

function bookkeepingText({ frameUs, snapshotUs }: Bookkeeping): string {
  const share = (frameUs * 30 + snapshotUs * 4) / 1e6;
  return `Statistics and governor: ${digits(frameUs)} µs a frame, ${digits(snapshotUs)} µs a summary: ${(share * 100).toFixed(3)} % of a core at 30 frames a second\n`;
}

function progress(text: string): void {
  console.error(`... ${text}`);
}
