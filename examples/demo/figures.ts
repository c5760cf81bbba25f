import type { UpscaleStats } from 'mana-upscale';
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

  constructor(readonly page: Document) {
    const list = this.#element('stages');
    for (const [stage, label] of STAGES) {
      const row = list.appendChild(page.createElement('div'));
      row.appendChild(page.createElement('dt')).textContent = label;
      const value = row.appendChild(page.createElement('dd'));
      const bar = row.appendChild(page.createElement('dd')).appendChild(page.createElement('div'));
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
      dropped: `${dropped.busy} busy, ${dropped.late} late, ${dropped.failed} failed, of ${stats.framesReceived}`,
      tiles: `${stats.tilesComputed} computed, ${stats.tilesReused} reused${
        tiles > 0 ? ` (${Math.round((100 * stats.tilesReused) / tiles)} %)` : ''
      }`,
    });
    this.#text('status', levelSentence(stats));
    this.#text('before-tag', `${size(inputSize)}, enlarged by the browser`);
    this.#text('after-tag', `${size(outputSize)}, ${stats.backend ? stats.model : stats.level}`);
    this.#element('dot').dataset['level'] = stats.level;
    const longest = Math.max(1, ...Object.values(stats.stageMs));
    for (const [stage, { value, bar }] of this.#bars) {
      const ms = stats.stageMs[stage as keyof UpscaleStats['stageMs']];
      value.textContent = ms.toFixed(1);
      bar.style.setProperty('--share', String(ms / longest));
    }
  }

  /** Only what changes, so that a screen reader speaks a sentence once. */
  #text(id: string, text: string): void {
    const element = this.#element(id);
    if (element.textContent !== text) element.textContent = text;
  }

  #write(values: Readonly<Record<string, string>>): void {
    for (const [name, value] of Object.entries(values)) {
      for (const element of this.page.querySelectorAll(`[data-figure="${name}"]`)) element.textContent = value;
    }
  }

  #element(id: string): HTMLElement {
    const element = this.page.getElementById(id);
    if (!element) throw new Error(`The page has no #${id}.`);
    return element;
  }
}
