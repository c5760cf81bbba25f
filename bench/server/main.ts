import { writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import type { Size } from '../../src/frame/frame.js';
import type { ShippedModel } from '../../src/model/registry.js';
import { load } from '../machine.js';
import { digits, percent, table } from '../table.js';
import { avSync, type SyncResult } from './av-sync.js';
import { type CapacityResult, capacity, FRAME_RATE, overload } from './capacity.js';
import { late } from './late.js';
import { type LatencyResult, latency } from './latency.js';
import { type MemoryResult, memory } from './memory.js';
import { unharmed } from './unharmed.js';
import { verdict } from './verdict.js';

const USAGE = `npm run bench:server -- [options]
  --part name      only this part, of: latency, late, av-sync, capacity, unharmed, memory
  --quick          a few seconds a case, one minute of memory
  --minutes 10     of the memory run
  --json file      also write every figure to a file
  --help           this text

latency   from drawing a picture to seeing it, as sent and upscaled
late      how soon those who come late see a picture
av-sync   how well flashes and beeps match, as sent and upscaled
capacity  how many streams the machine upscales, and what becomes of too many
unharmed  a stream whose server is attacked with 100,000 malformed datagrams, offers, requests and hostile peers
memory    of the server, over minutes
It exits with 1 where a figure is beyond its limit.`;

const PARTS = ['latency', 'late', 'av-sync', 'capacity', 'unharmed', 'memory'];

/** 16:9 within the test picture, which has 960 pixels across. */
const CASES: readonly (readonly [ShippedModel, Size])[] = [
  ['mana-nano-x2', { width: 160, height: 90 }],
  ['mana-nano-x2', { width: 320, height: 180 }],
  ['mana-nano-x2', { width: 640, height: 360 }],
  ['mana-live-x2', { width: 160, height: 90 }],
  ['mana-live-x2', { width: 320, height: 180 }],
];

/** Runs the bench with the arguments of the command line. */
export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      part: { type: 'string' },
      quick: { type: 'boolean', default: false },
      minutes: { type: 'string' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return console.log(USAGE);
  const { quick, part } = values;
  if (part !== undefined && !PARTS.includes(part)) throw new TypeError(`--part must be one of ${PARTS.join(', ')}.`);
  const minutes = Number(values.minutes ?? (quick ? 1 : 10));
  const wants = (name: string): boolean => part === undefined || part === name;
  const loadAtStart = load();
  console.log(`${cpus()[0]?.model}, ${cpus().length} cores, Node ${process.version}, load ${loadAtStart.toFixed(2)}\n`);
  const all: Record<string, unknown> = {};
  if (wants('latency')) {
    const results: LatencyResult[] = [];
    for (const [codec, lookahead] of [
      ['vp8', 0],
      ['vp8', 3],
      ['h264', 0],
    ] as const) {
      const seconds = quick ? 5 : 30;
      results.push(await latency({ width: 160, height: 90, fps: 25, codec, lookahead, seconds }));
    }
    all['latency'] = results;
    console.log(latencyText(results));
  }
  if (wants('late')) {
    const result = await late(quick ? 3 : 10);
    all['late'] = result;
    const times = Object.entries(result.firstMs).map(([video, ms]) => `${video} ${ms.map(digits).join(' ')}`);
    console.log(verdict(`Late viewers: ms to the first picture, ${times.join('; ')}`, result.limits));
  }
  if (wants('av-sync')) {
    const results: SyncResult[] = [];
    for (const lookahead of [0, 3]) {
      const result = await avSync(lookahead);
      results.push(result);
      console.log(verdict(`Flashes and beeps, lookahead ${lookahead}`, result.limits));
    }
    all['avSync'] = results;
  }
  if (wants('capacity')) {
    const results: CapacityResult[] = [];
    for (const [model, size] of CASES) results.push(await capacity(model, size, quick ? 4 : 15));
    all['capacity'] = results;
    console.log(capacityText(results));
    const limits = await overload();
    all['overload'] = limits;
    console.log(verdict('Eight streams of 640x360 at 50 fps for one thread', limits));
  }
  if (wants('unharmed')) {
    const result = await unharmed(100_000);
    all['unharmed'] = result;
    const sent = Object.entries(result.sent).map(([what, count]) => `${count} ${what}`);
    console.log(verdict(`Attacked for ${digits(result.seconds)} s with ${sent.join(', ')}`, result.limits));
  }
  if (wants('memory')) {
    const result = await memory(minutes);
    all['memory'] = result;
    console.log(memoryText(result));
    if (!result.flat || result.wrong > 0) process.exitCode = 1;
  }
  if (values.json) await writeFile(values.json, `${JSON.stringify(all, undefined, 2)}\n`);
}

function latencyText(results: readonly LatencyResult[]): string {
  const both = ({ p50, p95 }: { p50: number; p95: number }): string => `${digits(p50)} / ${digits(p95)}`;
  const text = table<LatencyResult>(
    [
      { name: 'codec', text: ({ codec }) => codec, left: true },
      { name: 'lookahead', text: ({ lookahead }) => `${lookahead}` },
      { name: 'as sent ms', text: ({ source }) => both(source) },
      { name: 'upscaled ms', text: ({ upscaled }) => both(upscaled) },
      { name: 'added ms', text: ({ added }) => both(added) },
      { name: 'of it lookahead', text: ({ lookaheadMs }) => digits(lookaheadMs) },
      { name: 'fps sent', text: ({ source }) => digits(source.framesPerSecond) },
      { name: 'fps upscaled', text: ({ upscaled }) => digits(upscaled.framesPerSecond) },
      { name: 'large', text: ({ large }) => percent(large) },
      { name: 'wrong', text: ({ wrong }) => `${wrong}` },
    ],
    results,
  );
  return `From drawing to seeing, 160x90 at 25 fps, publisher and both viewers in one browser: p50 / p95\n${text}\n`;
}

function capacityText(results: readonly CapacityResult[]): string {
  const rows = results.flatMap((result) => result.tried.map((one) => ({ ...result, ...one })));
  const text = table<(typeof rows)[number]>(
    [
      { name: 'model', text: ({ model }) => model, left: true },
      { name: 'size', text: ({ size }) => `${size.width}x${size.height}`, left: true },
      { name: 'streams', text: ({ streams }) => `${streams}` },
      { name: 'fps by network', text: ({ network }) => digits(network) },
      { name: 'fps in all', text: ({ all }) => digits(all) },
      { name: 'cores busy', text: ({ cores }) => digits(cores) },
      { name: 'added ms', text: ({ addedDelayMs }) => digits(addedDelayMs) },
    ],
    rows,
  );
  const most = results.map(({ model, size, most: streams }) => `  ${model} ${size.width}x${size.height}: ${streams}`);
  return `Streams of ${FRAME_RATE} fps, VP8 both ways, on all cores\n${text}\nAll by the network, at most:\n${most.join('\n')}\n`;
}

function memoryText({ minutes, trend, flat, pictures, wrong, cores }: MemoryResult): string {
  return [
    `${minutes} minutes of 160x90 at 25 fps, watched as sent and upscaled`,
    `  memory    ${trend.first.toFixed(0)} to ${trend.last.toFixed(0)} MiB, ${trend.slope.toFixed(2)} ± ${trend.doubt.toFixed(2)} MiB a minute: ${flat ? 'flat' : 'GROWS'}`,
    `  pictures  ${pictures}, ${wrong} wrong`,
    `  cores     ${cores.toFixed(2)} busy`,
  ].join('\n');
}
