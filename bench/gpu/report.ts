import type { Precision, Tuning } from '../../src/engine/native/conv.js';
import { tuningText } from '../../src/engine/native/tunings.js';
import { type Column, digits, percent, table } from '../table.js';
import type { Adapter } from './adapter.js';
import type { Case, Outcome } from './contest.js';
import type { Turns } from './rounds.js';

/** What was found for a precision before anything was held against anything. */
export interface Basis {
  readonly precision: Precision;
  /** Multiply-adds per second of matrix products. */
  readonly peak: number;
  readonly tuning: Tuning;
  /** How the tuning was come by. */
  readonly how: string;
}

/** A case that could not be run. */
export interface Failure {
  readonly of: Case;
  readonly reason: string;
}

/** All that a run has found so far. */
export interface Report {
  readonly adapter: Adapter;
  readonly date: Date;
  /** Of package, ONNX Runtime and browser. */
  readonly versions: readonly string[];
  readonly bases: readonly Basis[];
  readonly results: readonly (Outcome | Failure)[];
}

/** One line of the table: a case by one clock. */
export interface Row {
  readonly outcome: Outcome;
  readonly clock: 'wall' | 'GPU';
  readonly turns: Turns;
  readonly peak: number | undefined;
}

const giga = (macs: number, ms: number): number => macs / ms / 1e6;

/** Columns of the table, in the page and in the text. */
export const COLUMNS: readonly Column<Row>[] = [
  { name: 'network', text: ({ outcome }) => outcome.of.name, left: true },
  { name: 'source', text: ({ outcome }) => sizeText(outcome.of), left: true },
  { name: 'in', text: ({ outcome }) => precisionText(outcome.of.precision), left: true },
  { name: 'clock', text: ({ clock }) => clock, left: true },
  { name: 'ours ms', text: ({ turns }) => digits(turns.ours) },
  { name: 'ORT ms', text: ({ turns }) => digits(turns.theirs) },
  { name: 'ORT/ours', text: ({ turns }) => `${turns.ratio.toFixed(2)}x` },
  { name: 'ours GMAC/s', text: ({ outcome, turns }) => digits(giga(outcome.macs, turns.ours)) },
  { name: 'ORT GMAC/s', text: ({ outcome, turns }) => digits(giga(outcome.macs, turns.theirs)) },
  { name: 'ours/peak', text: ({ outcome, turns, peak }) => share(giga(outcome.macs, turns.ours), peak) },
  { name: 'ORT/peak', text: ({ outcome, turns, peak }) => share(giga(outcome.macs, turns.theirs), peak) },
  { name: 'bytes/px', text: ({ outcome }) => digits(outcome.bytes.moved) },
  { name: 'ideal', text: ({ outcome }) => digits(outcome.bytes.ideal) },
  { name: 'difference', text: ({ outcome }) => `${outcome.levels}` },
];

function share(rate: number, peak: number | undefined): string {
  return peak === undefined ? '-' : percent((rate * 1e9) / peak);
}

/** Lines of the table: of each case by the wall's clock, and by the GPU's where it was told. */
export function rowsOf({ bases, results }: Report): Row[] {
  return results.flatMap((outcome): Row[] => {
    if ('reason' in outcome) return [];
    const peak = bases.find(({ precision }) => precision === outcome.of.precision)?.peak;
    const wall: Row = { outcome, clock: 'wall', turns: outcome.wall, peak };
    return outcome.gpu ? [wall, { outcome, clock: 'GPU', turns: outcome.gpu, peak }] : [wall];
  });
}

/** Cases that could not be run. */
export function failuresOf({ results }: Report): Failure[] {
  return results.filter((result) => 'reason' in result);
}

/** What the run has come to, in a sentence. */
export function headline(report: Report): string {
  const ratios = report.results.flatMap((result) => ('wall' in result ? [result.wall.ratio] : []));
  if (ratios.length === 0) return 'Nothing could be compared.';
  const [least, most] = [Math.min(...ratios), Math.max(...ratios)].map((ratio) => ratio.toFixed(1));
  return least === most
    ? `Our kernels take 1/${least} of ONNX Runtime’s time here.`
    : `ONNX Runtime takes ${least} to ${most} times as long as our kernels here.`;
}

/** Limits that tell a GPU's class from another's. */
export function limitsText({ limits }: Adapter): string {
  const mebibytes = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MiB`;
  return [
    `storage binding ${mebibytes(limits.maxStorageBufferBindingSize)}`,
    `buffer ${mebibytes(limits.maxBufferSize)}`,
    `uniform binding ${Math.round(limits.maxUniformBufferBindingSize / 1024)} KiB`,
    `${limits.maxStorageBuffersPerShaderStage} storage buffers`,
    `workgroups of ${limits.maxComputeInvocationsPerWorkgroup} with ${Math.round(limits.maxComputeWorkgroupStorageSize / 1024)} KiB`,
  ].join(', ');
}

/** What a person reads of one precision. */
export function basisText({ precision, peak, tuning, how }: Basis): string {
  return `${precisionText(precision)}: peak ${digits(peak / 1e9)} GMAC/s of matrix products; tuned to ${tuningText(tuning)} (${how})`;
}

export function precisionText(precision: Precision): string {
  return precision === 'f16' ? 'fp16' : 'fp32';
}

export function sizeText({ size: { width, height } }: Pick<Case, 'size'>): string {
  return `${width}x${height}`;
}

/** The whole report as plain text. */
export function reportText(report: Report): string {
  const { adapter, date, versions, bases } = report;
  const { has, lacks } = adapter.features;
  const failures = failuresOf(report).map(
    ({ of, reason }) => `${of.name} ${sizeText(of)} ${precisionText(of.precision)} was not compared: ${reason}`,
  );
  return [
    'mana-upscale GPU bench: our WebGPU kernels (ours) and ONNX Runtime (ORT), a frame of a stream, in turns',
    `adapter   ${adapter.name}${adapter.remark ? ` (${adapter.remark})` : ''}`,
    `          vendor ${adapter.identity.vendor || '-'}, architecture ${adapter.identity.architecture || '-'}, device ${adapter.identity.device || '-'}`,
    `features  ${has.join(', ') || 'none'}${lacks.length > 0 ? `; not ${lacks.join(', ')}` : ''}`,
    `limits    ${limitsText(adapter)}`,
    `versions  ${versions.join('; ')}`,
    `date      ${date.toISOString()}`,
    ...bases.map((basis, i) => `${i === 0 ? 'basis   ' : '        '}  ${basisText(basis)}`),
    '',
    table(COLUMNS, rowsOf(report)),
    ...(failures.length > 0 ? ['', ...failures] : []),
    '',
  ].join('\n');
}
