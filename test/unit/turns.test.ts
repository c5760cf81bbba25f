import { expect, it } from 'vitest';
import { Turns } from '../../src/live/turns.js';

it('one at a time, the highest rank first, and of equals who came first', async () => {
  const turns = new Turns();
  const order: string[] = [];
  const ends = new Map<string, () => void>();
  const take = (name: string, ...rank: number[]): void => {
    turns.take(rank).then((end) => {
      order.push(name);
      ends.set(name, end);
    });
  };
  const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));
  take('first', 0, 100);
  await settle();
  take('small', 0, 50);
  take('large', 0, 200);
  take('large too', 0, 200);
  take('focused', 1, 10);
  await settle();
  expect(order).toEqual(['first']);
  for (const name of ['first', 'focused', 'large', 'large too', 'small']) {
    expect(order.at(-1)).toBe(name);
    ends.get(name)?.();
    // Ending twice ends nobody else's turn.
    ends.get(name)?.();
    await settle();
  }
  expect(order).toEqual(['first', 'focused', 'large', 'large too', 'small']);
  take('later', 0, 1);
  await settle();
  expect(order.at(-1)).toBe('later');
});
