import type { UpscaleStats } from 'mana-upscale';
import { add, find, write } from './page.js';
import { backendName, levelSentence } from './sentences.js';

/** Stages in the order in which a frame meets them. */
const STAGES: readonly (readonly [keyof UpscaleStats['stageMs'], string])[] = [
  ['copyIn', 'Read the frame'],
  ['pack', 'Pack into tensors'],
  ['compare', 'Look for changes'],
  ['encode', 'Encode'],
  ['gather', 'Gather tiles'],
  ['fuse', 'Fuse seven frames'],
  ['stitch', 'Stitch tiles'],
  ['enlarge', 'Enlarge tiles without the network'],
  ['out', 'Make the frame'],
  ['wait', 'Wait for the GPU'],
];

/** Writes the figures of a stream into the page. */
export class Figures {
  readonly #bars = new Map<string, { value: HTMLElement; bar: HTMLElement }>();

  constructor() {
    const list = find('stages');
    for (const [stage, label] of STAGES) {
      const row = add(list, 'div');
      add(row, 'dt', label);
      const value = add(row, 'dd');
      const bar = add(add(row, 'dd'), 'div');
      bar.className = 'bar';
      this.#bars.set(stage, { value, bar });
    }
  }

  show(stats: UpscaleStats): void {
    const { inputSize, outputSize, framesDropped: dropped, addedDelayMs: delay } = stats;
    const size = (of: typeof inputSize): string => (of ? `${of.width} × ${of.height}` : '–');
    const tiles = stats.tilesComputed + stats.tilesReused;
    const first = stats.timeToFirstNetworkFrameMs;
    this.#write({
      level: stats.level,
      backend: backendName(stats),
      model: stats.model ?? 'none',
      sizes: `${size(inputSize)} in, ${size(outputSize)} out`,
      rates: `${stats.framesPerSecondIn.toFixed(1)} in, ${stats.framesPerSecond.toFixed(1)} out`,
      fpsOut: stats.framesPerSecond.toFixed(1),
      delayTypical: stats.framesDelivered > 0 ? delay.p50.toFixed(0) : '–',
      delay: `${delay.p50.toFixed(0)} ms typical, ${delay.p95.toFixed(0)} ms at most for 95 of 100 frames`,
      first: first === null ? 'not yet' : `after ${(first / 1000).toFixed(2)} s`,
      dropped: `${dropped.busy} busy, ${dropped.late} late, ${dropped.unread} unread, ${dropped.failed} failed, of ${stats.framesReceived}`,
      tiles: `${stats.tilesComputed} computed, ${stats.tilesReused} reused${
        tiles > 0 ? ` (${Math.round((100 * stats.tilesReused) / tiles)} %)` : ''
      }, ${stats.tilesCheap} without the network`,
      restarts: `${stats.engineRestarts} given up`,
      clock: stats.stageClock === 'gpu' ? 'the GPU’s own clock' : 'the wall clock',
    });
    write(find('status'), levelSentence(stats));
    write(find('before-tag'), `${size(inputSize)}, enlarged by the browser`);
    write(find('after-tag'), `${size(outputSize)}, ${stats.backend ? stats.model : stats.level}`);
    find('dot').dataset['level'] = stats.level;
    const longest = Math.max(1, ...Object.values(stats.stageMs));
    for (const [stage, { value, bar }] of this.#bars) {
      const ms = stats.stageMs[stage as keyof UpscaleStats['stageMs']];
      value.textContent = ms.toFixed(1);
      bar.style.setProperty('--share', String(ms / longest));
    }
  }

  #write(values: Readonly<Record<string, string>>): void {
    for (const [name, value] of Object.entries(values)) {
      for (const element of document.querySelectorAll(`[data-figure="${name}"]`)) element.textContent = value;
    }
  }
}
