import { launchChromium } from './support/browser.js';
import { startDemo } from '../scripts/start.mjs';
const { url, close } = await startDemo({ port: 0 });
const browser = await launchChromium();
const page = await browser.newPage();
page.on('console', (m) => m.type() === 'error' && console.log(m.text()));
await page.goto(url + 'bench.css');
for (const [model, w, h, la] of [["mana-nano-x2", 160, 90, 1], ["mana-nano-x2", 160, 90, 2]] as const) {
  const r = await page.evaluate(async (m, w, h, la) => { const p = '/probe-tmp.ts'; const { probe } = await import(p); return JSON.stringify(await probe(m, w, h, 400, 40, 3, la)); }, model, w, h, la);
  console.log(la, r); await page.reload();
}
await browser.close(); await close(); process.exit(0);
