import { supportReport, type UpscaledTrack } from 'mana-upscale';
import { BreakPanel, FAULTY_ENGINE } from './break-panel.js';
import { DelayGraph } from './delay-graph.js';
import { Figures } from './figures.js';
import { Happenings } from './happenings.js';
import { Ladder } from './ladder.js';
import { openSource } from './open-source.js';
import { find } from './page.js';
import { Player } from './player.js';
import { codeOptions, fallbackSentence, sourceSentence, upscaleSentence, webgpuSentence } from './sentences.js';
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
import { type Source, sameSize } from './source.js';
import { Stage } from './stage.js';
import { type Quality, TruthMeter } from './truth-meter.js';

const form = find<HTMLFormElement>('controls');
const support = supportReport();
const player = new Player();
const figures = new Figures();
const ladder = new Ladder();
const happenings = new Happenings();
const meter = new TruthMeter(showQuality);
const graph = new DelayGraph(() => readSettings(form).upscale.budgetMs);
const breaking = new BreakPanel(
  () => player.upscaled,
  () => then(() => restart(readSettings(form))),
);
const stage = new Stage(find('stage'), find('before'), find('after'), (frame, seen, delayMs) => {
  const now = performance.now();
  breaking.frame(frame, 1 - (source?.scene?.numberShare ?? 0), now);
  if (delayMs !== null) graph.log.frame(delayMs, now);
  if (seen && source?.scene && player.upscaled?.stats().backend) meter.offer(frame, seen, source.scene);
});

let source: Source | undefined;
let shownKind: SourceKind = 'scene';
let work: Promise<void> = Promise.resolve();

/** Changes are made one after another, however fast they are asked for. */
function then(change: () => Promise<void>): void {
  work = work.then(change).catch((thrown: unknown) => showError(upscaleSentence(thrown)));
}

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
  const before = source;
  source = opened;
  shownKind = settings.source;
  opened.track.addEventListener('ended', () => happenings.note('The source has ended: choose another.'), {
    once: true,
  });
  stage.source(opened);
  find('psnr-note').textContent = opened.scene
    ? 'PSNR of brightness (Y) against the true picture, which is known for the scene: higher is closer. Measured on the frames shown, twice a second, mean of the last eight; bicubic is Catmull-Rom (a = −0.5).'
    : 'Quality in dB needs the true picture, which only the built-in scene has.';
  // The output keeps its size, so a source of another size gets an output of its own.
  if (sameSize(before?.size, opened.size) && player.replaceSource(opened.track)) {
    forgetQuality();
    happenings.note('Another source of the same size: the output goes on.');
  } else await restart(settings);
  before?.stop();
  find('stage').dataset['source'] = settings.source;
}

function forgetQuality(): void {
  meter.reset();
  showQuality(null);
}

/** Starts the upscaler again on the same source. */
async function restart({ upscale }: Settings): Promise<void> {
  if (!source) return;
  forgetQuality();
  happenings.reset();
  breaking.ready(false);
  find('webgpu-note').textContent = webgpuSentence(support);
  const faulty = breaking.open;
  let upscaled: UpscaledTrack;
  try {
    upscaled = await player.start(source.track, upscale, faulty ? FAULTY_ENGINE : undefined);
  } catch (thrown) {
    showError(upscaleSentence(thrown));
    return;
  }
  attend(upscaled, upscale.lookahead);
  breaking.ready(faulty);
  stage.output(upscaled.track);
  find('code-options').textContent = codeOptions(upscale);
}

/** Shows what a stream tells of itself. */
function attend(upscaled: UpscaledTrack, lookahead: number): void {
  upscaled.addEventListener('level', ({ detail }) => {
    const now = performance.now();
    happenings.level(detail, now);
    graph.log.level(detail.to, now);
    breaking.level(detail, now);
  });
  upscaled.addEventListener('fallback', ({ detail }) => {
    happenings.fallback(detail);
    if (detail.from === 'webgpu') find('webgpu-note').textContent = fallbackSentence(detail.reason);
  });
  upscaled.stats$.subscribe((stats) => {
    stage.delayMs = stats.addedDelayMs.p50;
    figures.show(stats);
    ladder.show(stats, lookahead);
    graph.told(stats);
  });
}

form.addEventListener('change', ({ target }) => {
  const name = (target as HTMLSelectElement).name;
  const settings = readSettings(form);
  showFields(form, settings.source);
  showError('');
  then(() => (SOURCE_SETTINGS.includes(name) ? changeSource(settings) : restart(settings)));
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

if (support.supported) then(begin);
else showError(upscaleSentence(new Error(support.reason)));
