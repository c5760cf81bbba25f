import { beforeEach, describe, expect, it } from 'vitest';
import { Watchdog } from '../../src/live/watchdog.js';
import { VirtualClock } from '../support/clock.js';

let clock: VirtualClock;
let asked: number;
let hung: string[];
let answers: boolean;
let dog: Watchdog;

beforeEach(() => {
  clock = new VirtualClock();
  asked = 0;
  hung = [];
  answers = false;
  dog = new Watchdog(
    clock,
    () => {
      asked++;
      if (answers) clock.after(5, () => dog.heard());
    },
    (reason) => hung.push(reason),
  );
});

describe('Watchdog', () => {
  it('says nothing of calls that end', () => {
    for (let i = 0; i < 50; i++) {
      const end = dog.watch('frame');
      clock.to(clock.now() + 100);
      end();
    }
    expect({ asked, hung, pending: clock.pending }).toEqual({ asked: 0, hung: [], pending: 0 });
  });

  it('a worker that is gone is given up within a second', () => {
    dog.watch('frame');
    clock.to(699);
    expect(hung).toEqual([]);
    clock.to(700);
    expect(hung).toEqual(['The engine worker has not answered for 700 ms.']);
  });

  it('one that answers is only slow', () => {
    answers = true;
    const end = dog.watch('frame');
    clock.to(10_000);
    end();
    expect(hung).toEqual([]);
    expect(asked).toBeGreaterThan(5);
    expect(clock.pending).toBe(0);
  });

  it('one that answers, but never ends a frame, is given up in the end', () => {
    answers = true;
    dog.watch('frame');
    clock.to(15_000);
    expect(hung).toEqual([]);
    clock.to(16_000);
    expect(hung).toHaveLength(1);
  });

  it('a frame may take eight times as long as usual', () => {
    dog.learn(500);
    dog.watch('frame');
    clock.to(4000);
    expect({ asked, hung }).toEqual({ asked: 1, hung: [] });
    clock.to(4300);
    expect(hung).toHaveLength(1);
  });

  it('beside a network that is made ready a worker may be busy for long', () => {
    dog.watch('prepare');
    const end = dog.watch('frame');
    clock.to(5000);
    expect(asked).toBe(1);
    end();
    clock.to(19_999);
    expect(hung).toEqual([]);
    clock.to(20_000);
    expect(hung).toHaveLength(1);
  });
});
