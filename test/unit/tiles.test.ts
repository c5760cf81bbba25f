import { describe, expect, it } from 'vitest';
import { computedOverKept, planTiles } from '../../src/pipeline/tiles.js';

const sizes = [
  { width: 1, height: 1 },
  { width: 161, height: 121 },
  { width: 854, height: 480 },
  { width: 480, height: 270 },
  { width: 90, height: 160 },
  { width: 1280, height: 720 },
  { width: 2000, height: 16 },
];

describe('planTiles', () => {
  it.each(sizes)('covers every pixel of $width x $height once, with the halo inside the picture', (size) => {
    for (const halo of [8, 16, 24]) {
      for (const maxPixels of [72 * 72, 20_000, 1e9]) {
        const { picture, tileSize, tiles } = planTiles({ size, align: 8, halo, maxPixels });
        expect(picture).toEqual({ width: Math.ceil(size.width / 8) * 8, height: Math.ceil(size.height / 8) * 8 });
        const covered = new Uint8Array(picture.width * picture.height);
        for (const { outer, core } of tiles) {
          for (const value of [...Object.values(outer), ...Object.values(core)]) expect(value % 8).toBe(0);
          expect({ width: outer.width, height: outer.height }).toEqual(tileSize);
          // Each side of the core is the picture's edge, where the tile ends too, or has a whole halo around it.
          const sides = [
            [core.x, outer.x, 0],
            [core.y, outer.y, 0],
            [-(core.x + core.width), -(outer.x + outer.width), -picture.width],
            [-(core.y + core.height), -(outer.y + outer.height), -picture.height],
          ] as const;
          for (const [inner, edge, end] of sides) {
            expect(edge).toBeGreaterThanOrEqual(end);
            if (inner === end) expect(edge).toBe(end);
            else expect(edge === end || inner - edge >= halo).toBe(true);
          }
          for (let y = core.y; y < core.y + core.height; y++) {
            for (let x = core.x; x < core.x + core.width; x++) covered[y * picture.width + x]!++;
          }
        }
        expect(covered.every((count) => count === 1)).toBe(true);
      }
    }
  });

  it('takes one tile when it may, and keeps to the limit when it can', () => {
    const demand = { size: { width: 640, height: 360 }, align: 8, halo: 24 };
    expect(planTiles({ ...demand, maxPixels: 640 * 360 }).tiles).toHaveLength(1);
    const plan = planTiles({ ...demand, maxPixels: 80_000 });
    expect(plan.tileSize.width * plan.tileSize.height).toBeLessThanOrEqual(80_000);
    expect(computedOverKept(plan)).toBeLessThan(1.4);
  });

  it('takes the smallest tile when none is small enough', () => {
    const { tileSize } = planTiles({ size: { width: 640, height: 360 }, align: 8, halo: 24, maxPixels: 1 });
    expect(tileSize.width * tileSize.height).toBeLessThanOrEqual(64 * 64);
  });
});
