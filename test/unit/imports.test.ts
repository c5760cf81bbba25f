import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Rooms of the house, bottom first: imports go down only. */
const ROOMS = ['frame', 'model', 'engine', 'pipeline', 'live', 'file', 'media', 'node', 'server', 'cli'];

function sources(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name));
}

it('no module imports from a room above its own', () => {
  const wrong: string[] = [];
  for (const file of sources(join(root, 'src'))) {
    const room = ROOMS.indexOf(relative(join(root, 'src'), file).split('/')[0] as string);
    if (room < 0) continue;
    for (const [, target] of readFileSync(file, 'utf8').matchAll(
      /^(?:import|export) (?!type )[^;]*?from '(\.[^']+)'/gms,
    )) {
      const other = ROOMS.indexOf(
        relative(join(root, 'src'), resolve(dirname(file), target as string)).split('/')[0] as string,
      );
      if (other > room) wrong.push(`${relative(root, file)} imports ${target}`);
    }
  }
  expect(wrong).toEqual([]);
});

it('the pipeline knows no browser object', () => {
  const words = /\b(VideoFrame|MediaStreamTrack|OffscreenCanvas|GPUDevice|navigator|document|window\.)\b/;
  const guilty = sources(join(root, 'src/pipeline')).filter((file) =>
    words.test(readFileSync(file, 'utf8').replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*/g, '')),
  );
  expect(guilty).toEqual([]);
});

it.each(['mana-upscale', 'mana-upscale/node', 'mana-upscale/worker'])(
  '%s can be imported where there is no page',
  (name) => {
    const script = `const names = Object.keys(await import('${name}')); console.log(names.join(' '))`;
    const printed = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
      cwd: root,
      encoding: 'utf8',
    });
    expect(printed).toMatch(/manaUpscale|hostIo/);
  },
);
