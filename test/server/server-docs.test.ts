import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { MessageError, readMessage } from '../../src/server/http/messages.js';
import { createMetrics } from '../../src/server/metrics.js';
import { STREAM_NAME } from '../../src/server/setting-values.js';
import { SETTINGS } from '../../src/server/settings.js';

const guide = readFileSync(new URL('../../docs/server.md', import.meta.url), 'utf8');

/** The cells of the rows under a heading. */
function rowsOf(heading: string): string[][] {
  const section = guide.split(/^## /m).find((part) => part.startsWith(`${heading}\n`));
  if (section === undefined) throw new Error(`The guide has no part ${heading}.`);
  const rows = section.split('\n').filter((line) => line.startsWith('| '));
  return rows.map((row) =>
    row
      .slice(1, -1)
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim().replaceAll('\\|', '|')),
  );
}

it('the guide has every option, with its flag, variable, default and help', () => {
  const [head, ...rows] = rowsOf('Options and limits');
  expect(head?.slice(0, 4)).toEqual(['option', 'flag', 'environment', 'default']);
  const code = (text: string) => `\`${text}\``;
  const expected = SETTINGS.map(({ path, flag, env, fallback }) => {
    const isPlain = typeof fallback === 'string' || typeof fallback === 'number';
    return [code(path), code(`--${flag}`), code(env), isPlain ? code(`${fallback}`) : ''];
  });
  expect(rows.map((row) => row.slice(0, 4))).toEqual(expected);
  for (const [index, { path, help }] of SETTINGS.entries()) {
    expect(rows[index]?.[4]?.startsWith(help), `${path}: ${help}`).toBe(true);
  }
});

it('the guide’s WebSocket messages are those that the server takes, and all of them', () => {
  const messages = rowsOf('WebSocket').filter(([from]) => from === 'client');
  const types = messages.map(([, message = '']) => {
    const { type } = readMessage(message.slice(1, -1));
    return type;
  });
  expect(types).toEqual(['publish', 'watch', 'candidate', 'bye']);
  const sent = rowsOf('WebSocket').filter(([from]) => from === 'server');
  expect(sent.map(([, message = '']) => JSON.parse(message.slice(1, -1)).type)).toEqual(['answer', 'error', 'closed']);
  expect(() => readMessage('{"type":"hello"}')).toThrow(MessageError);
});

it('the guide has every metric, with its labels', async () => {
  const metrics = createMetrics();
  // With something in each of them, their labels are shown.
  metrics.request('GET', '/', 200, 1);
  metrics.sessionOpened('viewer', 'whep');
  metrics.message('bye');
  metrics.refused('whip', 404);
  metrics.packets('in', 'video', 1, 1);
  metrics.pictures('upscaled', 1);
  metrics.keyframeRequests('in', 1);
  metrics.dropped('gap', 1);
  metrics.nacks('in', 1);
  metrics.level('full');
  const viewers = { source: 0, upscaled: 1 };
  const stream = {
    name: 'a',
    codec: 'vp8',
    width: 2,
    height: 2,
    viewers,
    level: 'full',
    levelReason: '',
    addedDelayMs: 1,
  };
  metrics.observe({ streams: () => [stream] });
  const text = await metrics.text();
  const names = [...text.matchAll(/^# HELP (mana_\S+)/gm)].map(([, name = '']) => {
    const labels = new RegExp(`^${name}(?:_sum)?\\{([^}]*)\\}`, 'm').exec(text)?.[1] ?? '';
    const keys = [...labels.matchAll(/(\w+)="/g)].map(([, key]) => key);
    return `\`${name}${keys.length > 0 ? `{${keys}}` : ''}\``;
  });
  const [, ...rows] = rowsOf('Metrics');
  expect(rows.map(([name]) => name)).toEqual(names);
});

it('the guide says how streams may be called, and its links lead somewhere', () => {
  expect(guide).toContain('1 to 64 letters, digits and `_-.`');
  expect(['a', 'a-b_c.d', 'x'.repeat(64)].every((name) => STREAM_NAME.test(name))).toBe(true);
  expect(['', 'a b', 'x'.repeat(65)].some((name) => STREAM_NAME.test(name))).toBe(false);
  const anchors = [...guide.matchAll(/^#+ (.+)$/gm)].map(
    ([, title = '']) => `#${title.toLowerCase().replaceAll(' ', '-')}`,
  );
  for (const [, link = ''] of guide.matchAll(/\]\((#[^)]+)\)/g)) expect(anchors).toContain(link);
  for (const [, file = ''] of guide.matchAll(/\]\((\.\.\/[^)]+)\)/g)) {
    expect(readFileSync(new URL(file, new URL('../../docs/', import.meta.url)), 'utf8').length).toBeGreaterThan(0);
  }
});
