import type { FallbackEvent, LevelEvent } from 'mana-upscale';
import { add, find } from './page.js';
import { isNetwork, levelNews, numbersSentence } from './sentences.js';

const KEPT = 8;

/** The list of what happened, newest first. */
export class Happenings {
  #awaySinceMs: number | undefined;

  /** A new stream: what the one before was waiting for does not come. */
  reset(): void {
    this.#awaySinceMs = undefined;
  }

  note(sentence: string, ...more: string[]): void {
    const list = find('events');
    const item = document.createElement('li');
    add(item, 'time', new Date().toLocaleTimeString());
    item.append(sentence);
    for (const line of more) if (line) add(item, 'p', line);
    list.prepend(item);
    while (list.children.length > KEPT) list.lastChild?.remove();
  }

  level(event: LevelEvent, nowMs: number): void {
    const { from, to, reason, numbers } = event;
    let awayMs: number | null = null;
    if (isNetwork(to)) {
      if (this.#awaySinceMs !== undefined) awayMs = nowMs - this.#awaySinceMs;
      this.#awaySinceMs = undefined;
    } else if (isNetwork(from)) this.#awaySinceMs = nowMs;
    this.note(levelNews(event, awayMs), reason, numbers ? numbersSentence(numbers) : '');
  }

  fallback({ from, to, reason }: FallbackEvent): void {
    this.note(`${to} instead of ${from}`, reason);
  }
}
