import { expect, it } from 'vitest';
import type { Way } from '../pages/teardown.js';
import { testPages } from '../support/pages.js';

const pages = testPages();

it.each<Way>(['dispose', 'stop', 'abort', 'source', 'replace', 'unsubscribe', 'take', 'throw', 'break'])(
  'a stream that ends by %s leaves no frame open',
  async (way) => {
    expect(await pages.run('teardown', 'heldAtTheEnd', way, 4)).toEqual(Array(4).fill(0));
  },
);
