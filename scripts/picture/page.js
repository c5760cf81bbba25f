import { Subject } from 'rxjs';
import { manaUpscale } from '/dist/index.js';

/** A piece of the photograph, in pixels, and how large it is shown. */
const VIEW = { left: 430, top: 130, width: 240, height: 160 };
const SHOWN = 2;
const FRAMES = 9;
const CENTRE = 4;

const photo = await createImageBitmap(await (await fetch('/test/fixtures/picture.jpg')).blob());

function canvasOf(width, height) {
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true, alpha: false });
  context.imageSmoothingQuality = 'high';
  return context;
}

/** Frame `index` of a slow pan, as the truth and shrunk to half. */
function frameOf(index) {
  const truth = canvasOf(VIEW.width, VIEW.height);
  const { left, top, width, height } = VIEW;
  truth.drawImage(photo, left + (index - CENTRE) * 3, top + (index - CENTRE), width, height, 0, 0, width, height);
  const small = canvasOf(width / 2, height / 2);
  small.drawImage(truth.canvas, 0, 0, width / 2, height / 2);
  return { truth, small };
}

/** The network's picture of the centre frame, out of the package's own pipeline. */
async function upscaled() {
  const source = new Subject();
  let network = false;
  let picture;
  const events = (event) => {
    network ||= event.type === 'level' && event.to === 'full';
  };
  const done = new Promise((resolve) => {
    const model = new URLSearchParams(location.search).get('model');
    source.pipe(manaUpscale({ backend: 'wasm', model, budgetMs: 60_000, onEvent: events })).subscribe({
      next: (frame) => {
        if (frame.timestamp === CENTRE) {
          picture = canvasOf(VIEW.width, VIEW.height);
          picture.drawImage(frame, 0, 0);
        }
        frame.close();
      },
      complete: resolve,
    });
  });
  const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  for (let early = -1000; !network; early++) {
    source.next(new VideoFrame(frameOf(0).small.canvas, { timestamp: early }));
    await sleep(300);
  }
  await sleep(3000);
  for (let index = 0; index < FRAMES; index++) {
    source.next(new VideoFrame(frameOf(index).small.canvas, { timestamp: index }));
    await sleep(2000);
  }
  source.complete();
  await done;
  return picture;
}

/** PSNR of luma (BT.601) against the truth, 8 pixels of border left out. */
function psnr(picture, truth) {
  const luma = ({ data }, i) => 0.299 * data[i] + 0.587 * data[i + 1] + 0.114 * data[i + 2];
  const area = [8, 8, VIEW.width - 16, VIEW.height - 16];
  const a = picture.getImageData(...area);
  const b = truth.getImageData(...area);
  let sum = 0;
  for (let i = 0; i < a.data.length; i += 4) sum += (luma(a, i) - luma(b, i)) ** 2;
  return 10 * Math.log10(255 ** 2 / (sum / (a.data.length / 4)));
}

const { truth, small } = frameOf(CENTRE);
const browser = canvasOf(VIEW.width, VIEW.height);
browser.drawImage(small.canvas, 0, 0, VIEW.width, VIEW.height);
const ours = await upscaled();

document.body.style.cssText =
  'margin: 0; display: inline-flex; gap: 12px; padding: 12px; background: #111318; color: #e8e9ee; font: 15px system-ui, sans-serif';
for (const [label, picture] of [
  [`Enlarged by the browser, ${psnr(browser, truth).toFixed(1)} dB`, browser],
  [`mana-upscale, ${psnr(ours, truth).toFixed(1)} dB`, ours],
  ['The truth', truth],
]) {
  const figure = document.createElement('figure');
  figure.style.margin = '0';
  const shown = document.createElement('canvas');
  shown.width = VIEW.width * SHOWN;
  shown.height = VIEW.height * SHOWN;
  shown.style.display = 'block';
  const context = shown.getContext('2d');
  context.imageSmoothingEnabled = false;
  context.drawImage(picture.canvas, 0, 0, shown.width, shown.height);
  const caption = document.createElement('figcaption');
  caption.style.paddingTop = '8px';
  caption.textContent = label;
  figure.append(shown, caption);
  document.body.append(figure);
}
document.title = 'done';
