import type { Level, UpscaleStats } from 'mana-upscale';
import { add, find, write } from './page.js';
import { LEVELS, lookaheadSentence } from './sentences.js';

/** The rungs of the ladder with the present one marked, why it is that one, and the lookahead. */
export class Ladder {
  readonly #rungs = new Map<Level, { rung: HTMLElement; count: HTMLElement }>();

  constructor() {
    const list = find('rungs');
    for (const [level, meaning] of LEVELS) {
      const rung = add(list, 'li');
      rung.dataset['level'] = level;
      add(rung, 'b', level);
      add(rung, 'span', meaning);
      this.#rungs.set(level, { rung, count: add(rung, 'small') });
    }
  }

  /** @param wanted frames of lookahead that were asked for */
  show(stats: UpscaleStats, wanted: number): void {
    for (const [level, { rung, count }] of this.#rungs) {
      if (level === stats.level) rung.setAttribute('aria-current', 'true');
      else rung.removeAttribute('aria-current');
      const made = stats.framesByLevel[level];
      write(count, made > 0 ? `${made.toLocaleString('en')} ${made === 1 ? 'frame' : 'frames'}` : '');
    }
    write(find('level-reason'), stats.levelReason || 'Nothing has come in yet.');
    write(find('lookahead'), lookaheadSentence(stats, wanted));
  }
}
