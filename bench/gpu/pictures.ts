import type { Size } from '../../src/frame/frame.js';

/** Pictures of a moving scene with fine detail and some noise, planar R'G'B' 0..1. */
export function pictures({ width, height }: Size, count: number): Float32Array[] {
  return Array.from({ length: count }, (_, time) => {
    const area = width * height;
    const data = new Float32Array(3 * area);
    let noise = 12345 + time;
    for (let y = 0, i = 0; y < height; y++) {
      for (let x = 0; x < width; x++, i++) {
        noise = (Math.imul(noise, 1103515245) + 12345) >>> 0;
        const wave = Math.sin((x + 2 * time) / 3) * Math.cos((y - time) / 5);
        const edge = ((x + 2 * time) >> 3) % 2 === ((y + time) >> 3) % 2 ? 0.18 : 0;
        const grain = (noise >>> 24) / 255 / 40;
        data[i] = 0.25 + edge + 0.12 * wave + (0.2 * x) / width + grain;
        data[area + i] = 0.35 + edge - 0.08 * wave + (0.25 * y) / height + grain;
        data[2 * area + i] = 0.55 - edge + 0.1 * wave + grain;
      }
    }
    return data;
  });
}
