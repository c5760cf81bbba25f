import type { UpscaleStats } from 'mana-upscale';
import { DelayChart } from './delay-chart.js';
import { DelayLog, WINDOW_MS } from './delay-log.js';
import { add, find, write } from './page.js';

const DRAWN_EVERY_MS = 500;
/** The sentence below the graph changes less often than the graph, so that it can be read. */
const SAID_EVERY_MS = 2000;
const ROW_MS = 5000;

/** Added delay of the last 45 seconds: as a graph, as a sentence, and as a table for those who do not see the graph. */
export class DelayGraph {
  readonly log = new DelayLog();
  readonly #chart = new DelayChart(find('delay-chart'));
  #saidMs = Number.NEGATIVE_INFINITY;

  /** @param budgetMs the budget that is in force */
  constructor(readonly budgetMs: () => number) {
    setInterval(() => this.#draw(), DRAWN_EVERY_MS);
  }

  /** The package told its figures. */
  told({ level, addedDelayMs }: UpscaleStats): void {
    const now = performance.now();
    // Levels are told with their event as well; a stream's first is not.
    this.log.level(level, now);
    // Zero until the first frame of a level has left.
    if (addedDelayMs.p95 > 0) this.log.told(addedDelayMs, now);
  }

  #draw(): void {
    const now = performance.now();
    const budgetMs = this.budgetMs();
    this.log.trim(now);
    this.#chart.draw(this.log, budgetMs, now);
    if (now - this.#saidMs < SAID_EVERY_MS) return;
    this.#saidMs = now;
    this.#say(budgetMs, now);
    if (find<HTMLDetailsElement>('delay-details').open) this.#fillTable(now);
  }

  #say(budgetMs: number, now: number): void {
    const all = this.log.between(now - WINDOW_MS, now);
    const sentence = all
      ? `In the last ${WINDOW_MS / 1000} s half of the frames came within ${ms(all.delays.p50)} of their source, 95 of 100 ` +
        `within ${ms(all.delays.p95)}, the latest after ${ms(all.longestMs)}. The budget is ${ms(budgetMs)}.`
      : 'No frame could be told apart yet: the lines are what the package says of itself. ' +
        `The budget is ${ms(budgetMs)}.`;
    write(find('delay-text'), sentence);
    find('delay-chart').setAttribute('aria-label', `Graph of the added delay. ${sentence}`);
  }

  #fillTable(now: number): void {
    const body = find('delay-rows');
    body.replaceChildren();
    for (let ago = 0; ago < WINDOW_MS; ago += ROW_MS) {
      const row = this.log.between(now - ago - ROW_MS, now - ago);
      if (!row) continue;
      const line = add(body, 'tr');
      add(line, 'th', `${ago / 1000}–${(ago + ROW_MS) / 1000} s ago`).scope = 'row';
      for (const value of [row.delays.p50, row.delays.p95, row.longestMs]) add(line, 'td', ms(value));
      add(line, 'td', row.levels.join(', '));
    }
  }
}

function ms(value: number): string {
  return `${value.toFixed(0)} ms`;
}
