import manifest from '../../package.json' with { type: 'json' };
import { reasonOf } from '../../src/frame/errors.js';
import { type Adapter, findAdapter, LEVELS } from './adapter.js';
import { bench } from './bench.js';
import { showAdapter, showReport } from './page.js';
import { type RunSettings, settingsOf, sizeOf } from './settings.js';

/** Where the page stands, for those who watch it from outside: `data-state` of its body. */
type State = 'starting' | 'ready' | 'running' | 'done' | 'failed';

const DEFAULTS = { levels: LEVELS, tries: 100, rounds: 5, roundMs: 120 };

const element = <E extends HTMLElement>(id: string): E => document.getElementById(id) as E;
const form = element<HTMLFormElement>('form');
const run = element<HTMLButtonElement>('run');
const stop = element<HTMLButtonElement>('stop');
const progress = element<HTMLProgressElement>('progress');

function state(now: State, sentence: string, error?: string): void {
  document.body.dataset['state'] = now;
  element('status').textContent = sentence;
  element('error').textContent = error ?? '';
  element('error').hidden = error === undefined;
  run.disabled = now === 'running' || now === 'starting' || adapter === undefined;
  stop.disabled = now !== 'running';
}

let adapter: Adapter | undefined;
let asked: Partial<RunSettings> = {};
let running = new AbortController();

async function start(): Promise<void> {
  state('starting', 'Looking for a GPU.');
  try {
    asked = settingsOf(new URLSearchParams(location.search));
    // What the address has chosen is not the form's to choose.
    for (const part of ['models', 'sizes'] as const) element<HTMLFieldSetElement>(part).disabled = part in asked;
    adapter = await findAdapter(asked.levels);
    showAdapter(adapter);
    state(
      'ready',
      'Ready. A run takes about a minute; close other programs that use the GPU, and leave this tab in front.',
    );
  } catch (thrown) {
    element('adapter').textContent = 'None that can be used.';
    state('failed', 'This page cannot run here.', reasonOf(thrown));
  }
}

async function go(): Promise<void> {
  if (!adapter) return;
  const chosen = new FormData(form);
  const settings: RunSettings = {
    models: chosen.getAll('model').map(String),
    sizes: chosen.getAll('size').map((size) => sizeOf(String(size))),
    again: chosen.has('again'),
    ...DEFAULTS,
    ...asked,
  };
  if (settings.models.length === 0 || settings.sizes.length === 0) {
    state('ready', 'Ready.', 'Choose a network and a size at least.');
    return;
  }
  running = new AbortController();
  progress.value = 0;
  element('results').hidden = true;
  state('running', 'Starting.');
  let hidden = document.hidden;
  const watch = (): void => {
    hidden ||= document.hidden;
  };
  document.addEventListener('visibilitychange', watch);
  const versions = [
    `mana-upscale ${manifest.version}`,
    `onnxruntime-web ${manifest.dependencies['onnxruntime-web']}`,
    navigator.userAgent,
  ];
  try {
    const step = (sentence: string, share: number): void => {
      element('status').textContent = sentence;
      progress.value = share;
    };
    const report = await bench(adapter, versions, settings, { step, found: showReport }, running.signal);
    showReport(report);
    progress.value = 1;
    const warning =
      'This tab was hidden for a while: browsers slow hidden tabs down, so run it again for figures to trust.';
    state('done', 'Done.', hidden ? warning : undefined);
  } catch (thrown) {
    if (running.signal.aborted) state('ready', 'Stopped.');
    else state('failed', 'The run failed.', reasonOf(thrown));
  } finally {
    document.removeEventListener('visibilitychange', watch);
  }
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  void go();
});
stop.addEventListener('click', () => {
  running.abort();
  element('status').textContent = 'Stopping after this measurement.';
});
element('copy').addEventListener('click', async () => {
  const text = element('text');
  try {
    await navigator.clipboard.writeText(text.textContent ?? '');
    element('copied').textContent = 'Copied.';
  } catch {
    getSelection()?.selectAllChildren(text);
    element('copied').textContent = 'This browser does not let the page copy. The text is selected: press Ctrl+C.';
  }
});
void start();
