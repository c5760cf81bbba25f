import { expect, it } from 'vitest';
import type { Ledger } from '../pages/frame-ledger.js';
import type { Way } from '../pages/teardown.js';
import { testPages } from '../support/pages.js';

const pages = testPages();

it.each<Way>(['dispose', 'stop', 'abort', 'source', 'replace', 'unsubscribe', 'take', 'throw', 'break'])(
  'a stream that ends by %s leaves no frame open',
  async (way) => {
    const ledgers = await pages.run<Ledger[]>('teardown', 'ledgers', way, 4);
    expect(ledgers.map(({ held }) => held)).toEqual([0, 0, 0, 0]);
    // Otherwise nothing was counted. The first stream may end before its first frame.
    expect(Math.max(...ledgers.map(({ seen }) => seen))).toBeGreaterThan(0);
  },
);
