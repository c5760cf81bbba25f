/**
 * Makes the README's picture: a crop of a panning photograph at half size, enlarged by the browser and by the network.
 * Usage: npm run picture -- [model] [file]
 */
import { fileURLToPath } from 'node:url';
import puppeteer from 'puppeteer-core';
import { createServer } from 'vite';
import { findBrowser } from '../find-browser.mjs';

const [model = 'mana-live-x2', file = 'docs/picture.png'] = process.argv.slice(2);
const server = await createServer({
  root: fileURLToPath(new URL('../..', import.meta.url)),
  configFile: false,
  logLevel: 'error',
  optimizeDeps: { noDiscovery: true, include: ['rxjs'] },
  server: { host: '127.0.0.1', port: 0, hmr: false, watch: null },
});
await server.listen();
const browser = await puppeteer.launch({
  executablePath: findBrowser('chromium'),
  args: ['--no-sandbox', '--disable-quic'],
});
try {
  const page = await browser.newPage();
  await page.setViewport({ width: 1600, height: 600 });
  await page.goto(`http://127.0.0.1:${server.httpServer.address().port}/scripts/picture/index.html?model=${model}`);
  await page.waitForFunction("document.title === 'done'", { timeout: 120_000 });
  await (await page.$('body')).screenshot({ path: file });
  console.log(`${file}: ${(await page.$$eval('figcaption', (all) => all.map((one) => one.textContent))).join('; ')}`);
} finally {
  await browser.close();
  await server.close();
}
