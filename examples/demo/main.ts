import { supportReport, type UpscaledTrack, type UpscaleEvent, upscaleTrack } from 'mana-upscale';
import { Figures } from './figures.js';
import { openSource } from './open-source.js';
import { fallbackSentence, sourceSentence, upscaleSentence, webgpuSentence } from './sentences.js';
import {
  presetFromAddress,
  presetFromMachine,
  readSettings,
  type Settings,
  SOURCE_SETTINGS,
  type SourceKind,
  setSource,
  showFields,
} from './settings.js';
import type { Source } from './source.js';
import { Stage } from './stage.js';
import { type Quality, TruthMeter } from './truth-meter.js';

const EVENTS_KEPT = 8;
/** Options that need not be written down, because the package takes them anyway. */
const DEFAULTS: readonly string[] = [
  'model=auto',
  'backend=auto',
  'lookahead=3',
  'budgetMs=200',
  `threads=${Math.min(4, navigator.hardwareConcurrency)}`,
];

const find = <T extends HTMLElement>(id: string): T => {
  const element = document.getElementById(id);
  if (!element) throw new Error(`The page has no #${id}.`);
  return element as T;
};

const form = find<HTMLFormElement>('controls');
const figures = new Figures(document);
const meter = new TruthMeter(showQuality);
const stage = new Stage(find('stage'), find('before'), find('after'), (frame, seen) => {
  if (seen && source?.scene && upscaled?.stats().backend) meter.offer(frame, seen, source.scene);
});

const support = supportReport();
let source: Source | undefined;
let upscaled: UpscaledTrack | undefined;
let shownKind: SourceKind = 'scene';
/** Changes are made one after another, however fast they are asked for. */
let work: Promise<void> = Promise.resolve();

function showQuality(quality: Quality | null): void {
  const decibels = (value: number | undefined): string => (value === undefined ? '–' : value.toFixed(2));
  const gain = quality ? quality.ours - quality.bicubic : undefined;
  find('psnr-ours').textContent = decibels(quality?.ours);
  find('psnr-bicubic').textContent = decibels(quality?.bicubic);
  find('psnr-gain').textContent = gain === undefined ? '–' : `${gain < 0 ? '−' : '+'}${Math.abs(gain).toFixed(2)}`;
}

function showError(sentence: string): void {
  const element = find('error');
  element.textContent = sentence;
  element.hidden = sentence === '';
}

function note(sentence: string): void {
  const list = find('events');
  const item = document.createElement('li');
  const time = document.createElement('time');
  time.textContent = new Date().toLocaleTimeString();
  item.append(time, sentence);
  list.prepend(item);
  while (list.children.length > EVENTS_KEPT) list.lastChild?.remove();
}

function noteEvent(event: UpscaleEvent): void {
  if (event.type === 'level') note(`From ${event.from} to ${event.to}: ${event.reason}`);
  else if (event.type === 'fallback') {
    note(`${event.to} instead of ${event.from}: ${event.reason}`);
    if (event.from === 'webgpu') find('webgpu-note').textContent = fallbackSentence(event.reason);
  }
}

/** Opens the chosen source; when that fails, what was there stays. */
async function changeSource(settings: Settings): Promise<void> {
  // A file is asked for first; until it is chosen there is nothing to open.
  if (settings.source === 'file' && !settings.file) return;
  let opened: Source;
  try {
    opened = await openSource(settings);
  } catch (thrown) {
    showError(`${sourceSentence(settings.source, thrown)}${source ? ' The source before it goes on.' : ''}`);
    if (source) setSource(form, shownKind);
    return;
  }
  source?.stop();
  source = opened;
  shownKind = settings.source;
  opened.track.addEventListener('ended', () => note('The source has ended: choose another.'), { once: true });
  stage.source(opened);
  find('psnr-note').textContent = opened.scene
    ? 'PSNR of brightness (Y) against the true picture, which is known for the scene: higher is closer. Measured on the frames shown, twice a second, mean of the last eight; bicubic is Catmull-Rom (a = −0.5).'
    : 'Quality in dB needs the true picture, which only the built-in scene has.';
  await restart(settings);
  find('stage').dataset['source'] = settings.source;
}

/** Starts the upscaler again on the same source. */
async function restart({ upscale }: Settings): Promise<void> {
  if (!source) return;
  upscaled?.dispose();
  upscaled = undefined;
  meter.reset();
  showQuality(null);
  find('webgpu-note').textContent = webgpuSentence(support);
  try {
    upscaled = await upscaleTrack(source.track, upscale);
  } catch (thrown) {
    showError(upscaleSentence(thrown));
    return;
  }
  for (const type of ['level', 'fallback'] as const) {
    upscaled.addEventListener(type, ({ detail }) => noteEvent(detail));
  }
  upscaled.stats$.subscribe((stats) => {
    stage.delayMs = stats.addedDelayMs.p50;
    figures.show(stats);
  });
  stage.output(upscaled.track);
  find('code-options').textContent = Object.entries(upscale)
    .filter(([name, value]) => name === 'scale' || !DEFAULTS.includes(`${name}=${value}`))
    .map(([name, value]) => `${name}: ${typeof value === 'string' ? `'${value}'` : value}`)
    .join(', ');
}

form.addEventListener('change', ({ target }) => {
  const name = (target as HTMLSelectElement).name;
  const settings = readSettings(form);
  showFields(form, settings.source);
  showError('');
  work = work
    .then(() => (SOURCE_SETTINGS.includes(name) ? changeSource(settings) : restart(settings)))
    .catch((thrown: unknown) => showError(upscaleSentence(thrown)));
});
form.addEventListener('submit', (event) => event.preventDefault());

const split = find<HTMLInputElement>('split');
const moveSplit = (): void => {
  find('stage').style.setProperty('--split', `${split.value}%`);
  split.setAttribute('aria-valuetext', `${Math.round(Number(split.value))} % before`);
};
split.addEventListener('input', moveSplit);
moveSplit();

async function begin(): Promise<void> {
  const address = new URL(location.href);
  presetFromAddress(form, address);
  await presetFromMachine(form, address);
  const settings = readSettings(form);
  showFields(form, settings.source);
  await changeSource(settings);
}

if (support.supported) work = begin().catch((thrown: unknown) => showError(upscaleSentence(thrown)));
else showError(upscaleSentence(new Error(support.reason)));
