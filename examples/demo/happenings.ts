import type { FallbackEvent, LevelEvent } from 'mana-upscale';
import { add, find } from './page.js';
import { fallbackNews, isNetwork, levelNews, numbersSentence } from './sentences.js';

const KEPT = 8;

/** The list of what happened, newest first. */
export class Happenings {
  #awaySinceMs: number | undefined;
  /** The newest line, where it tells of a fallback: the level that follows tells the same, and more. */
  #fallback: { readonly item: HTMLElement; readonly reason: string } | undefined;

  /** A new stream: what the one before was waiting for does not come. */
  reset(): void {
    this.#awaySinceMs = undefined;
  }

  note(sentence: string, ...more: string[]): HTMLElement {
    const list = find('events');
    const item = document.createElement('li');
    add(item, 'time', new Date().toLocaleTimeString());
    item.append(sentence);
    for (const line of more) if (line) add(item, 'p', line);
    list.prepend(item);
    while (list.children.length > KEPT) list.lastChild?.remove();
    this.#fallback = undefined;
    return item;
  }

  level(event: LevelEvent, nowMs: number): void {
    const { from, to, reason, numbers } = event;
    let awayMs: number | null = null;
    if (isNetwork(to)) {
      if (this.#awaySinceMs !== undefined) awayMs = nowMs - this.#awaySinceMs;
      this.#awaySinceMs = undefined;
    } else if (isNetwork(from)) this.#awaySinceMs = nowMs;
    if (this.#fallback?.reason === reason) this.#fallback.item.remove();
    this.note(levelNews(event, awayMs), reason, numbers ? numbersSentence(numbers) : '');
  }

  fallback(event: FallbackEvent): void {
    const { reason } = event;
    const item = this.note(fallbackNews(event), reason);
    this.#fallback = { item, reason };
  }
}
