import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { measure } from '../../evaluate/measure.js';
import { type Figures, Meter, MOST_DB, type Plane, ssim } from '../../evaluate/metrics.js';
import { parseOptions } from '../../evaluate/options.js';
import { cutToMultiple, fromFrame, type Picture, toFrame } from '../../evaluate/picture.js';
import { bicubic } from '../../evaluate/resize.js';
import { type Sequence, sequencesOf } from '../../evaluate/sequences.js';
import { needFfmpeg } from '../support/ffmpeg.js';
import { shippedModel, wasmEngine } from '../support/models.js';

/** Eight frames of 64x48, and what Python made of them: see `training/test_evaluate.py`. */
const fixture = fileURLToPath(new URL('../fixtures/evaluate/', import.meta.url));
const known = JSON.parse(await readFile(join(fixture, 'figures.json'), 'utf8')) as {
  readonly resized: Readonly<Record<string, string>>;
  readonly bicubic: Readonly<Record<'x2' | 'x4', Figures>>;
  /** Of mana-nano-x2, by lookahead. */
  readonly network: Readonly<Record<'0' | '3', Figures>>;
};

async function all(sequence: Sequence, most = 100): Promise<Picture[]> {
  const pictures: Picture[] = [];
  for await (const picture of sequence.read(most)) pictures.push(picture);
  return pictures;
}

async function pan(): Promise<Sequence> {
  return (await sequencesOf(fixture))[0]!;
}

const flat = (level: number, width = 48, height = 40): Picture => ({
  width,
  height,
  data: new Uint8Array(width * height * 3).fill(level),
});

function meter(pairs: readonly (readonly [truth: Picture, picture: Picture])[]): Meter {
  const measured = new Meter();
  for (const [truth, picture] of pairs) measured.add(truth, picture);
  return measured;
}

describe('figures with known answers', () => {
  // A grey of 10 more levels is 10 * 219 / 255 more levels of Y.
  const step = (10 * 219) / 255;

  it('PSNR and flicker of an error that is known', () => {
    const figures = meter([110, 90, 110].map((level) => [flat(100), flat(level)] as const)).figures(0);
    expect(figures.psnrY).toBeCloseTo(20 * Math.log10(255 / step), 9);
    expect(figures.psnrRgb).toBeCloseTo(20 * Math.log10(25.5), 9);
    expect(figures.flicker).toBeCloseTo(2 * step, 9);
  });

  it('an error that stands still does not flicker', () => {
    expect(meter([1, 2, 3].map(() => [flat(100), flat(120)] as const)).figures(0).flicker).toBe(0);
  });

  it('equal pictures have an SSIM of 1 and the most dB', async () => {
    const [frame] = await all(await pan(), 1);
    expect(meter([[frame!, frame!]]).figures(0)).toMatchObject({ ssimY: 1, psnrY: MOST_DB, psnrRgb: MOST_DB });
  });

  it('SSIM of flat pictures compares their means', () => {
    const plane = (level: number): Plane => ({ width: 16, height: 12, data: new Float64Array(192).fill(level) });
    const c1 = (0.01 * 255) ** 2;
    expect(ssim(plane(100), plane(140))).toBeCloseTo((2 * 100 * 140 + c1) / (100 ** 2 + 140 ** 2 + c1), 9);
  });

  it('the border does not count, and the frames at the ends do not either', () => {
    const picture = flat(100);
    for (let i = 0; i < 8 * 48 * 3; i++) picture.data[i] = 255;
    expect(meter([[flat(100), picture]]).figures(0).psnrRgb).toBe(MOST_DB);
    picture.data[(8 * 48 + 8) * 3]! = 255;
    expect(meter([[flat(100), picture]]).figures(0).psnrRgb).toBeLessThan(MOST_DB);
    const ends = [0, 110, 110, 0].map((level) => [flat(100), flat(level)] as const);
    expect(meter(ends).figures(1)).toMatchObject({ psnrRgb: expect.closeTo(20 * Math.log10(25.5), 9), flicker: 0 });
    expect(() => meter(ends).figures(2)).toThrow('Of 4 frames, none is left');
  });
});

describe('bicubic', () => {
  it.each(Object.entries(known.resized))('resizes to %s as Pillow does, byte for byte', async (size, sha256) => {
    const [width, height] = size.split('x').map(Number);
    const [frame] = await all(await pan(), 1);
    expect(
      createHash('sha256')
        .update(bicubic(frame!, width!, height!).data)
        .digest('hex'),
    ).toBe(sha256);
  });

  it('agrees with Pillow on numbers that can be read', () => {
    // Image.frombytes('RGB', (6, 4), bytes(i * 47 % 256 for i in range(72))).resize((3, 2), Image.Resampling.BICUBIC)
    const picture = { width: 6, height: 4, data: Uint8Array.from({ length: 72 }, (_, i) => (i * 47) % 256) };
    expect([...bicubic(picture, 3, 2).data]).toEqual([
      100, 101, 149, 141, 125, 110, 114, 149, 118, 137, 116, 150, 106, 141, 132, 121, 164, 112,
    ]);
  });

  it.each([2, 4] as const)('x%i measures the same here and in Python', async (scale) => {
    const pairs = (await all(await pan())).map((truth) => {
      const low = bicubic(truth, truth.width / scale, truth.height / scale);
      return [truth, bicubic(low, truth.width, truth.height)] as const;
    });
    const figures = meter(pairs).figures(3);
    for (const [measure, value] of Object.entries(known.bicubic[`x${scale}`])) {
      expect(figures[measure as keyof Figures]).toBeCloseTo(value, 9);
    }
  });
});

describe('sequences', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'evaluate-'));
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await rm(folder, { recursive: true });
  });

  it('reads folders of PNG frames in order, and no more than asked', async () => {
    const sequence = await pan();
    expect(sequence.name).toBe('pan');
    expect(await all(sequence)).toHaveLength(8);
    expect(await all(sequence, 3)).toHaveLength(3);
  });

  it('reads the same frames from a lossless clip', async () => {
    needFfmpeg();
    const pictures = ['-i', join(fixture, 'pan/%03d.png')];
    const lossless = ['-c:v', 'ffv1', '-pix_fmt', 'gbrp', join(folder, 'pan.mkv')];
    execFileSync('ffmpeg', ['-v', 'error', ...pictures, ...lossless]);
    await writeFile(join(folder, 'zebra.mkv'), 'not a clip');
    const [clip, broken] = await sequencesOf(folder);
    expect(await all(clip!)).toEqual(await all(await pan()));
    expect(await all(clip!, 2)).toHaveLength(2);
    for await (const first of clip!.read(100)) {
      expect(first.width).toBe(64);
      break;
    }
    await expect(all(broken!)).rejects.toThrow(/ffmpeg cannot decode .*zebra\.mkv: .+/);
  });

  it('says in one line what is missing', async () => {
    await expect(sequencesOf(folder)).rejects.toThrow('holds neither clips');
    await expect(sequencesOf(join(folder, 'nowhere'))).rejects.toThrow('is not a folder that can be read');
    await writeFile(join(folder, 'a.mkv'), '');
    vi.stubEnv('PATH', folder);
    await expect(all((await sequencesOf(folder))[0]!)).rejects.toThrow('The ffmpeg command is missing');
  });
});

describe('pictures', () => {
  it('are the pipeline’s frames without any loss, and are cut from the top left', async () => {
    const [picture] = await all(await pan(), 1);
    expect(fromFrame(toFrame(picture!, 0))).toEqual(picture);
    const cut = cutToMultiple(picture!, 20);
    expect([cut.width, cut.height]).toEqual([60, 40]);
    expect([...cut.data.subarray(60 * 3, 61 * 3)]).toEqual([...picture!.data.subarray(64 * 3, 65 * 3)]);
  });
});

describe('measure', () => {
  const engine = wasmEngine();

  it.each([
    [0, undefined],
    [3, undefined],
    [3, 700],
  ] as const)('agrees with Python to 0.02 dB, lookahead %i, tiles of at most %s pixels', async (lookahead, tile) => {
    const model = await shippedModel('mana-nano-x2');
    const measured = await measure(engine, model, await pan(), { lookahead, tile, frames: 100 });
    expect(measured).toMatchObject({ name: 'pan', frames: 2 });
    expect(measured.tiles > 1).toBe(tile !== undefined);
    expect(measured.bicubic.psnrY).toBeCloseTo(known.bicubic.x2.psnrY, 9);
    const python = known.network[`${lookahead}`];
    expect(Math.abs(measured.model.psnrY - python.psnrY)).toBeLessThan(0.02);
    expect(Math.abs(measured.model.psnrRgb - python.psnrRgb)).toBeLessThan(0.02);
    expect(Math.abs(measured.model.ssimY - python.ssimY)).toBeLessThan(5e-4);
    // A picture of a frame too early or too late, or with its colours swapped, would be far below bicubic.
    expect(measured.model.psnrY).toBeGreaterThan(measured.bicubic.psnrY + 0.3);
  });

  it('refuses a sequence without a frame to measure', async () => {
    const model = await shippedModel('mana-nano-x2');
    const short = measure(engine, model, await pan(), { lookahead: 0, tile: undefined, frames: 6 });
    await expect(short).rejects.toThrow('pan has only 6 frames; 7 are needed to measure one.');
  });
});

describe('options', () => {
  it('have defaults', () => {
    expect(parseOptions(['--vid4', 'x'])).toMatchObject({
      model: 'mana-nano-x2',
      lookahead: 3,
      frames: 100,
      threads: 1,
    });
    expect(parseOptions(['--help'])).toBeUndefined();
  });

  it.each([
    [[], '--vid4 must name a folder'],
    [['--vid4', 'x', '--lookahead', '4'], '--lookahead must be a whole number from 0 to 3, not 4.'],
    [['--vid4', 'x', '--tile', '1.5'], '--tile must be a whole number from 1 on, not 1.5.'],
  ])('%j are refused', (args, text) => {
    expect(() => parseOptions(args)).toThrow(text);
  });
});
