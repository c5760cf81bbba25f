import type { LoadedModel } from '../../src/engine/engine.js';
import { type Precision, USUAL_TUNING } from '../../src/engine/native/conv.js';
import { tune } from '../../src/engine/native/tuner.js';
import { CANDIDATES, rememberedTuning, rememberTuning, tuningText } from '../../src/engine/native/tunings.js';
import { loadOrt, type OrtRuntime } from '../../src/engine/ort/runtime.js';
import { reasonOf } from '../../src/frame/errors.js';
import type { Size } from '../../src/frame/frame.js';
import { halfOf } from '../../src/model/half.js';
import { ModelLoader } from '../../src/model/loader.js';
import { WebStore } from '../../src/model/web-store.js';
import { digits } from '../table.js';
import type { Adapter } from './adapter.js';
import { ATTENTION_GRAPH, attentionContest, isAttention } from './attention.js';
import { type Case, contest, nativeTrial } from './contest.js';
import { measurePeak } from './peak.js';
import { type Basis, type Failure, precisionText, type Report, sizeText } from './report.js';
import { ATTENTION, type RunSettings } from './settings.js';

/** Where the page is told how a run goes. */
export interface Progress {
  /** @param share of the whole run that is done, 0..1 */
  step(sentence: string, share: number): void;
  found(report: Report): void;
}

/** Shares of the run that go to finding the peak and the tuning, for each precision, against one case. */
const PEAK_SHARE = 0.5;
const TUNING_SHARE = 1.5;

/** Peak, tuning and contests, one after the other. A case that fails is told in the report; all others are run. */
export async function bench(
  adapter: Adapter,
  versions: readonly string[],
  settings: RunSettings,
  progress: Progress,
  signal: AbortSignal,
): Promise<Report> {
  const precisions: Precision[] = adapter.features.has.includes('shader-f16') ? ['f32', 'f16'] : ['f32'];
  progress.step('Loading ONNX Runtime and the networks.', 0);
  const [runtime, ...models] = await Promise.all([ort(), ...settings.models.map(modelOf)]);
  const cases = precisions.flatMap((precision) =>
    settings.sizes.flatMap((size) => models.flatMap((model) => caseOf(model, size, precision))),
  );
  const all = cases.length + precisions.length * (PEAK_SHARE + TUNING_SHARE);
  let done = 0;
  const report = {
    adapter,
    date: new Date(),
    versions,
    bases: [] as Basis[],
    results: [] as Report['results'][number][],
  };
  for (const precision of precisions) {
    const own = cases.filter((one) => one.precision === precision);
    if (own.length === 0) continue;
    const words = precisionText(precision);
    const peak = await measurePeak(await adapter.request(), precision, settings.tries, (share) =>
      progress.step(`Measuring the GPU’s peak in ${words}.`, (done + share * PEAK_SHARE) / all),
    );
    signal.throwIfAborted();
    done += PEAK_SHARE;
    const tuning = await tuningOf(adapter, precision, own, settings, signal, (sentence, share) =>
      progress.step(sentence, (done + share * TUNING_SHARE) / all),
    );
    done += TUNING_SHARE;
    report.bases.push({ precision, peak, ...tuning });
    for (const one of own) {
      const onStep = (step: string): void =>
        progress.step(`${one.name}, ${sizeText(one)}, ${words}: ${step}.`, done / all);
      const { rounds, roundMs } = settings;
      const hold = isAttention(one) ? attentionContest : contest;
      try {
        report.results.push(
          await hold(one, { adapter, runtime, tuning: tuning.tuning, rounds, roundMs, onStep, signal }),
        );
      } catch (thrown) {
        signal.throwIfAborted();
        report.results.push({ of: one, reason: reasonOf(thrown) } satisfies Failure);
      }
      done++;
      progress.found({ ...report });
    }
  }
  return report;
}

/** The remembered tuning, or the one that a search over the largest network and the smallest size finds. */
async function tuningOf(
  adapter: Adapter,
  precision: Precision,
  cases: readonly Case[],
  { again, tries, roundMs }: RunSettings,
  signal: AbortSignal,
  step: (sentence: string, share: number) => void,
): Promise<Pick<Basis, 'tuning' | 'how'>> {
  const remembered = again ? undefined : await rememberedTuning(store, adapter.identity, precision);
  if (remembered) return { tuning: remembered, how: 'remembered' };
  const cost = ({ model: { manifest }, size }: Case): [macs: number, pixels: number] => [
    manifest.encode.macsPerPixel + manifest.fuse.macsPerPixel,
    size.width * size.height,
  ];
  const [hardest] = cases
    .filter((one) => !isAttention(one))
    .sort((a, b) => cost(b)[0] - cost(a)[0] || cost(a)[1] - cost(b)[1]);
  if (!hardest) return { tuning: USUAL_TUNING, how: 'the usual one' };
  const words = `Tuning our kernels in ${precisionText(precision)}`;
  step(`${words}.`, 0);
  const { best, tried } = await tune({
    candidates: CANDIDATES.slice(0, tries),
    prepare: (tuning) => nativeTrial({ adapter, model: hardest.model, size: hardest.size }, tuning, roundMs / 2),
    onTried: ({ tuning, ms }, done, of) => {
      step(
        `${words}, ${done} of ${of}: ${tuningText(tuning)}, ${ms ? `${digits(ms)} ms` : 'not possible'}.`,
        done / of,
      );
    },
    signal,
  });
  await rememberTuning(store, adapter.identity, precision, best);
  const ms = (text: string) => tried.find(({ tuning }) => tuningText(tuning) === text)?.ms;
  const [won, usual] = [ms(tuningText(best)), ms(tuningText(USUAL_TUNING))];
  const gain = won && usual ? `, ${(usual / won).toFixed(2)}x the usual one` : '';
  return { tuning: best, how: `best of ${tried.length} on ${hardest.name} ${sizeText(hardest)}${gain}` };
}

function caseOf(model: LoadedModel, size: Size, precision: Precision): Case[] {
  const form = precision === 'f16' ? halfOf(model) : model;
  return form
    ? [{ name: isAttention({ model }) ? 'attention alone' : model.manifest.name, model: form, size, precision }]
    : [];
}

/** A network that attends, with random weights. */
const ATTENDS = '/test/fixtures/attention-tiny/';
const ORT = new URL('/node_modules/onnxruntime-web/dist/', location.href).href;
let runtime: Promise<OrtRuntime> | undefined;

/** One for the page, in the build that the package uses on WebGPU. */
function ort(): Promise<OrtRuntime> {
  const files = {
    api: `${ORT}ort.webgpu.min.mjs`,
    mjs: `${ORT}ort-wasm-simd-threaded.asyncify.mjs`,
    wasm: `${ORT}ort-wasm-simd-threaded.asyncify.wasm`,
  };
  runtime ??= loadOrt(files, 1);
  return runtime;
}

/** Where the package's engine looks on this origin. */
const store = new WebStore();
const loader = new ModelLoader();

async function modelOf(name: string): Promise<LoadedModel> {
  if (name !== ATTENTION)
    return loader.load({ manifest: new URL(`/models/${name}/manifest.json`, location.href).href });
  const model = await loader.load({ manifest: new URL(`${ATTENDS}manifest.json`, location.href).href });
  const graph = await fetch(`${ATTENDS}${ATTENTION_GRAPH}`);
  if (!graph.ok) throw new Error(`There is no ${ATTENTION_GRAPH} here.`);
  return { ...model, files: new Map([...model.files, [ATTENTION_GRAPH, new Uint8Array(await graph.arrayBuffer())]]) };
}
