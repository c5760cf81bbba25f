import { expect, it } from 'vitest';
import { Channel } from '../../src/file/channel.js';

it('holds no more than it has room for, and keeps the order', async () => {
  const channel = new Channel<number>(2);
  let put = 0;
  const feeding = (async () => {
    for (; put < 6; put++) await channel.put(put);
    channel.end();
  })();
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(put).toBe(2);
  const taken: number[] = [];
  for (let item = await channel.take(); item !== undefined; item = await channel.take()) {
    taken.push(item);
    await new Promise((resolve) => setTimeout(resolve, 1));
    expect(put - taken.length).toBeLessThanOrEqual(2);
  }
  await feeding;
  expect(taken).toEqual([0, 1, 2, 3, 4, 5]);
  expect(await channel.take()).toBeUndefined();
  await expect(channel.put(7)).rejects.toThrow('The channel has ended.');
});

it('a failure reaches both sides, also those that wait, and the first one stays', async () => {
  const full = new Channel<number>(1);
  await full.put(1);
  const putting = expect(full.put(2)).rejects.toThrow('first');
  full.fail(new Error('first'));
  full.fail(new Error('second'));
  await putting;
  await expect(full.take()).rejects.toThrow('first');
  const empty = new Channel<number>(1);
  const taking = expect(empty.take()).rejects.toThrow('first');
  empty.fail(new Error('first'));
  await taking;
});
