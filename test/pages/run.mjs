/** Runs one function of a test page by hand in Chromium: `node test/pages/run.mjs PAGE FUNCTION [JSON ARGUMENT...]`. */
import { fileURLToPath } from 'node:url';
import { runnerImport } from 'vite';

const load = async (path) =>
  (await runnerImport(fileURLToPath(new URL(path, import.meta.url)), { configFile: false, logLevel: 'error' })).module;
const { inPage, launchChromium, openPage } = await load('../support/browser.ts');
const { startServer } = await load('../support/server.ts');

const [name, call, ...args] = process.argv.slice(2);
const server = await startServer();
const browser = await launchChromium();
try {
  const { page, log } = await openPage(browser, server.url);
  const result = await inPage(page, name, call, ...args.map((text) => JSON.parse(text)));
  const counts = new Map();
  for (const line of log) counts.set(line, (counts.get(line) ?? 0) + 1);
  for (const [line, times] of counts) console.log(`${times} x ${line}`);
  console.log(JSON.stringify(result, null, 2) ?? 'done');
} finally {
  await browser.close();
  await server.close();
}
