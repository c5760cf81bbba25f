import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { parseManifest } from '../model/manifest.js';
import { SHIPPED_MODELS, type ShippedModel } from '../model/registry.js';
import { EXIT } from './process.js';

/** What is said of a model. */
interface ModelLine {
  readonly name: ShippedModel;
  readonly scale: number;
  readonly bytes: number;
  readonly use: string;
  /** PSNR on Y on Vid4's clean pictures with full lookahead, and bicubic's, in dB, as the manifest has them. */
  readonly quality: { readonly model: number; readonly bicubic: number } | null;
}

/** A measurement of a manifest. */
interface Measurement {
  readonly set: string;
  readonly input: string;
  readonly lookahead: number;
  readonly measure: string;
  readonly value: number;
  readonly bicubicUp: number;
}

/** Adds `models` to the command line. */
export function addModels(program: Command, write: (line: string) => void, done: (code: number) => void): void {
  program
    .command('models')
    .description('Lists the models that ship with the package.')
    .option('--json', 'as JSON')
    .action(({ json }: { json?: boolean }) => {
      const models = SHIPPED_MODELS.map(lineOf);
      if (json) write(JSON.stringify(models));
      else for (const line of linesOf(models)) write(line);
      done(EXIT.ok);
    });
}

function lineOf(name: ShippedModel): ModelLine {
  const json: unknown = JSON.parse(readFileSync(new URL(`./models/${name}/manifest.json`, import.meta.url), 'utf8'));
  const { scale, files } = parseManifest(json);
  const measured = (json as { metrics?: readonly Measurement[] }).metrics ?? [];
  const clean = measured.find(
    ({ set, input, lookahead, measure }) =>
      set === 'Vid4' && input === 'clean' && lookahead === 3 && measure.startsWith('PSNR Y'),
  );
  return {
    name,
    scale,
    bytes: Object.values(files).reduce((sum, file) => sum + file.bytes, 0),
    use: name.includes('live') ? 'the sharper one; what `file` takes' : 'four times as fast; live on a processor',
    quality: clean ? { model: clean.value, bicubic: clean.bicubicUp } : null,
  };
}

function linesOf(models: readonly ModelLine[]): string[] {
  return [
    'name          scale  on disk   Vid4, dB (bicubic)  for',
    ...models.map(({ name, scale, bytes, use, quality }) => {
      const size = `${(bytes / 2 ** 20).toFixed(1)} MiB`.padStart(8);
      const decibels = quality ? `${quality.model.toFixed(2)} (${quality.bicubic.toFixed(2)})` : '-';
      return `${name.padEnd(14)}x${scale}    ${size}   ${decibels.padEnd(20)}${use}`;
    }),
  ];
}
