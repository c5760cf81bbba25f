import {
  type FileEvent,
  type FileProgress,
  type FileUpscaleOptions,
  type UpscaledFile,
  upscaleFile,
} from 'mana-upscale';
import { fill, surfaceOf } from './canvas.js';
import { Comparison, clock } from './comparison.js';
import { add, find, write } from './page.js';
import { fallbackNews } from './sentences.js';

const form = find<HTMLFormElement>('controls');
const input = find<HTMLInputElement>('file');
const drop = find('drop');
const start = find<HTMLButtonElement>('start');
const cancel = find<HTMLButtonElement>('cancel');
const download = find<HTMLAnchorElement>('download');
const now = surfaceOf(find<HTMLCanvasElement>('now'));
const comparison = new Comparison();

let chosen: File | undefined;
let working: AbortController | undefined;
let finished: UpscaledFile | undefined;

/** What the form asks for. */
function readOptions(): FileUpscaleOptions {
  const data = new FormData(form);
  const text = (name: string): string => String(data.get(name) ?? '');
  const scale = Number(text('scale'));
  const container = text('container') as NonNullable<FileUpscaleOptions['container']> | '';
  return {
    scale,
    model: `mana-${text('family')}-x${scale}`,
    backend: text('backend') as NonNullable<FileUpscaleOptions['backend']>,
    quality: text('quality') as NonNullable<FileUpscaleOptions['quality']>,
    ...(container ? { container } : {}),
  };
}

function showCode(): void {
  const defaults = ['backend=auto', 'quality=very-high', 'model=mana-live-x2', 'model=mana-live-x4'];
  find('code-options').textContent = Object.entries(readOptions())
    .filter(([name, value]) => !defaults.includes(`${name}=${value}`))
    .map(([name, value]) => `${name}: ${typeof value === 'string' ? `'${value}'` : value}`)
    .join(', ');
}

function showError(sentence: string): void {
  const element = find('error');
  element.textContent = sentence;
  element.hidden = sentence === '';
}

function choose(file: File | null | undefined): void {
  if (!file || working) return;
  chosen = file;
  forget();
  drop.classList.add('chosen');
  write(find('drop-title'), file.name);
  write(find('drop-note'), `${size(file.size)}. Choose or drop another one to take that instead.`);
  start.disabled = false;
  write(find('status'), 'Ready.');
}

/** Puts away what an earlier file left on the page. */
function forget(): void {
  comparison.hide();
  finished?.dispose();
  finished = undefined;
  URL.revokeObjectURL(download.href);
  download.hidden = true;
  download.href = '#stage';
  find('notices').replaceChildren();
  find('notices').hidden = true;
  find('stage').hidden = true;
  find('work').hidden = true;
  find('dot').removeAttribute('data-level');
  showError('');
}

function showProgress({ framesDone, framesTotal, percent, secondsLeft, framesPerSecond }: FileProgress): void {
  find<HTMLProgressElement>('progress').value = percent;
  const left = secondsLeft === null ? 'time left not known yet' : `${clock(secondsLeft)} left`;
  write(
    find('numbers'),
    `${percent.toFixed(percent < 10 ? 1 : 0)} % · ${framesDone} of ${framesTotal} frames · ${framesPerSecond.toFixed(1)} a second · ${left}`,
  );
  write(find('status'), 'Upscaling.');
}

function showEvent(event: FileEvent): void {
  if (event.type === 'loading') {
    if (event.loaded < event.total)
      write(find('status'), `Loading the model: ${size(event.loaded)} of ${size(event.total)}.`);
    return;
  }
  const list = find('notices');
  add(list, 'li', event.type === 'notice' ? event.message : `${fallbackNews(event)} ${event.reason}`);
  list.hidden = false;
}

function showPicture(picture: VideoFrame): void {
  const { displayWidth: width, displayHeight: height } = picture;
  const stage = find('stage');
  stage.hidden = false;
  stage.style.aspectRatio = `${width} / ${height}`;
  fill(now, picture, width, height);
  picture.close();
}

async function work(file: File): Promise<void> {
  forget();
  // Fields that are turned off are no part of a form.
  const options = readOptions();
  const controller = new AbortController();
  working = controller;
  setWorking(true);
  find<HTMLProgressElement>('progress').value = 0;
  write(find('numbers'), '');
  write(find('status'), 'Opening the file.');
  const began = performance.now();
  try {
    finished = await upscaleFile(file, {
      ...options,
      assets: { ffmpegCore: '/ffmpeg-core/' },
      signal: controller.signal,
      onProgress: showProgress,
      onEvent: showEvent,
      onPicture: showPicture,
    });
    await showFinished(file, finished, performance.now() - began);
  } catch (thrown) {
    find('stage').hidden = true;
    if (controller.signal.aborted) write(find('status'), 'Cancelled: nothing is left of it.');
    else {
      write(find('status'), 'The file was not upscaled.');
      showError(thrown instanceof Error ? thrown.message : String(thrown));
    }
  } finally {
    working = undefined;
    setWorking(false);
  }
}

function setWorking(on: boolean): void {
  start.hidden = on;
  cancel.hidden = !on;
  find('work').hidden = !on;
  input.disabled = on;
  find('now').hidden = !on;
  for (const element of form.elements) (element as HTMLSelectElement).disabled = on;
}

async function showFinished(source: File, upscaled: UpscaledFile, tookMs: number): Promise<void> {
  const { blob, name, frames, size: picture, bytes, backend, model } = upscaled;
  if (!blob) return;
  download.href = URL.createObjectURL(blob);
  download.download = name;
  download.hidden = false;
  write(download, `Download ${name} (${size(bytes)})`);
  find('dot').dataset['level'] = 'full';
  const made = `${frames} frames of ${picture.width} × ${picture.height} in ${clock(tookMs / 1000)}, by ${model} on ${backend}.`;
  const both = await comparison.show(source, blob);
  const how = both
    ? 'Move the border in the picture, and the slider below it.'
    : 'This browser cannot play the source, so only the result is shown.';
  write(find('status'), `Done: ${made} ${how}`);
}

/** Bytes for a person. */
function size(bytes: number): string {
  const steps = ['bytes', 'KB', 'MB', 'GB'];
  const step = Math.min(steps.length - 1, Math.floor(Math.log(Math.max(1, bytes)) / Math.log(1024)));
  const value = bytes / 1024 ** step;
  return `${value.toFixed(step === 0 || value >= 100 ? 0 : 1)} ${steps[step]}`;
}

input.addEventListener('change', () => choose(input.files?.[0]));
for (const name of ['dragenter', 'dragover'] as const) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.add('over');
  });
}
document.addEventListener('dragleave', ({ relatedTarget }) => {
  if (!relatedTarget) drop.classList.remove('over');
});
document.addEventListener('drop', (event) => {
  event.preventDefault();
  drop.classList.remove('over');
  choose(event.dataTransfer?.files[0]);
});
start.addEventListener('click', () => {
  if (chosen) void work(chosen);
});
cancel.addEventListener('click', () => {
  write(find('status'), 'Cancelling.');
  working?.abort();
});
form.addEventListener('change', showCode);
form.addEventListener('submit', (event) => event.preventDefault());
addEventListener('pagehide', () => finished?.dispose());
showCode();
