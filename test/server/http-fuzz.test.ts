import { expect, it } from 'vitest';
import { createLog } from '../../src/server/http/log.js';
import { expectWithstands } from '../fuzz/suite.js';
import { targets } from '../fuzz/targets/http.js';

it.each(targets)(
  '$name: every beginning of every seed, and every seed with a byte changed, ends without a failure',
  async (target) => {
    try {
      for (const seed of target.seeds) {
        for (let length = seed.length; length >= 0; length--) {
          await target.run(seed.subarray(0, length));
          const changed = Uint8Array.from(seed);
          changed[length] = (changed[length] ?? 0) ^ (1 << (length % 8));
          await target.run(changed);
        }
      }
    } finally {
      target.dispose?.();
    }
  },
);

it.each(targets)('$name stands malformed inputs: none fails, and nothing is kept', expectWithstands);

it('secrets that are logged by mistake are not written', () => {
  const lines: string[] = [];
  const log = createLog('info', { write: (line) => lines.push(line) });
  log.info(
    { token: 's3cret', question: { token: 's3cret', headers: { authorization: 's3cret' } }, stream: 'cam' },
    'x',
  );
  log.child({ sdp: 's3cret' }).info('y');
  expect(lines.join('')).not.toContain('s3cret');
  expect(JSON.parse(lines[0]!)).toMatchObject({ token: '(secret)', stream: 'cam' });
});
