import { launchChromium } from './support/browser.js';
import { startDemo } from '../scripts/start.mjs';
const { url, close } = await startDemo({ port: 0 });
const browser = await launchChromium();
const page = await browser.newPage();
await page.setViewport({ width: 1440, height: 900 });
await page.goto(url + (process.argv[2] ?? ''));
for (let i = 0; i < 24; i++) {
  await new Promise((r) => setTimeout(r, 500));
  console.log(await page.evaluate(() => [...document.querySelectorAll('[data-figure=level],[data-figure=rates],[data-figure=delay],[data-figure=dropped],#psnr-gain,#stages dd:nth-child(2)')].map((e) => e.textContent).join(' | ')));
}
await browser.close(); await close(); process.exit(0);
