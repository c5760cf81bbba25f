import { expect, it } from 'vitest';
import { Mailbox } from '../../src/pipeline/mailbox.js';

it('works on one item at a time and lets the newest wait', async () => {
  const handled: number[] = [];
  const dropped: number[] = [];
  let release: () => void = () => undefined;
  const mailbox = new Mailbox<number>(
    async (item) => {
      handled.push(item);
      await new Promise<void>((resolve) => {
        release = resolve;
      });
    },
    (item) => dropped.push(item),
    () => undefined,
  );
  mailbox.offer(1);
  await Promise.resolve();
  for (const item of [2, 3, 4]) mailbox.offer(item);
  expect(handled).toEqual([1]);
  expect(dropped).toEqual([2, 3]);
  release();
  await new Promise((resolve) => setTimeout(resolve));
  expect(handled).toEqual([1, 4]);
  mailbox.offer(5);
  mailbox.close();
  mailbox.offer(6);
  expect(dropped).toEqual([2, 3, 5, 6]);
  release();
  await mailbox.idle();
  expect(handled).toEqual([1, 4]);
});

it('goes on after an item that failed', async () => {
  const handled: number[] = [];
  const failures: unknown[] = [];
  const mailbox = new Mailbox<number>(
    async (item) => {
      if (item === 1) throw new Error('one');
      handled.push(item);
    },
    () => undefined,
    (thrown) => failures.push(thrown),
  );
  mailbox.offer(1);
  await mailbox.idle();
  mailbox.offer(2);
  await mailbox.idle();
  expect(handled).toEqual([2]);
  expect(failures).toHaveLength(1);
});
