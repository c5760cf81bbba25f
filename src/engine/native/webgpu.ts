import { reasonOf, UpscaleError } from '../../frame/errors.js';
import type { LoadedModel, StreamShape } from '../engine.js';
import type { GpuDevice, GpuScope } from '../webgpu/device.js';
import { createGpuEngine, type GpuEngineOptions, type WebGpuEngine } from '../webgpu/engine.js';
import type { NetworkLease, NetworkSource } from '../webgpu/network.js';
import { type AttentionWeights, attentionWeights } from './attention-weights.js';
import { type Precision, type Tuning, USUAL_TUNING } from './conv.js';
import { type Initialisers, readInitialisers } from './initialisers.js';
import { fitsUniforms, type Kernel, kernelsOf, type Layers, layersOf, modulesOf } from './layers.js';
import { NativeNetwork } from './network.js';
import { type LiveSettings, liveSettings } from './settings.js';

/** How kernels cut their work, where that is not as usual. */
export type Tunings = Readonly<Partial<Record<Precision, Tuning>>>;

/** Choices for {@link createNativeEngine}. */
export interface NativeOptions extends GpuEngineOptions {
  /** How kernels cut their work, by what they compute in. Default: what is good on most GPUs. */
  readonly tunings?: Tunings;
}

/**
 * An engine of our own WebGPU kernels, for networks of the mana-live family.
 * @throws UpscaleError `backend-unavailable` where there is no adapter or device
 */
export function createNativeEngine(options: NativeOptions): Promise<WebGpuEngine> {
  return createGpuEngine(options, (gpu) => new NativeNetworks(gpu, options.tunings));
}

/** What streams of a model share. */
interface Shared {
  readonly scope: GpuScope;
  readonly settings: LiveSettings;
  readonly kernels: Layers<Kernel>;
  readonly attention: AttentionWeights | undefined;
  readonly precision: Precision;
}

interface Entry {
  readonly shared: Promise<Shared>;
  users: number;
}

/** Networks of our own kernels; streams of one model share its weights. */
export class NativeNetworks implements NetworkSource {
  readonly backend = 'webgpu-native';
  readonly #entries = new Map<LoadedModel, Entry>();

  constructor(
    readonly gpu: GpuDevice,
    readonly tunings: Tunings = {},
  ) {}

  /** Whatever our kernels cannot make of a model is a reason to take ONNX Runtime for it, not to give the model up. */
  async lease(model: LoadedModel, shape: StreamShape): Promise<NetworkLease> {
    if (shape.fuse.overlap > 0) throw refusal(model, 'its tiles are blended');
    const entry = this.#entries.get(model) ?? { shared: this.#share(model), users: 0 };
    this.#entries.set(model, entry);
    entry.users++;
    const release = async (): Promise<void> => {
      entry.users--;
      if (entry.users > 0) return;
      if (this.#entries.get(model) === entry) this.#entries.delete(model);
      (await entry.shared.catch(() => undefined))?.scope.dispose();
    };
    try {
      const { settings, kernels, attention, precision } = await entry.shared;
      const make: NetworkLease['make'] = (parts) => new NativeNetwork(parts, settings, kernels, attention, precision);
      return { captured: false, make, release };
    } catch (thrown) {
      await release();
      throw thrown;
    }
  }

  async #share(model: LoadedModel): Promise<Shared> {
    const scope = this.gpu.scope();
    try {
      const { settings, layers, weights, precision } = this.#read(model);
      const tuning = this.tunings[precision] ?? USUAL_TUNING;
      await this.gpu.compile(modulesOf(layers, tuning, precision));
      return await this.gpu.checked(() => {
        const attention = settings.attention && attentionWeights(settings.attention, weights);
        return { scope, settings, precision, attention, kernels: kernelsOf(scope, layers, weights, tuning, precision) };
      });
    } catch (thrown) {
      scope.dispose();
      throw refusal(model, reasonOf(thrown), thrown);
    }
  }

  #read(model: LoadedModel) {
    const { manifest } = model;
    // Before its files are read: those of other families are large.
    if (manifest.family !== 'mana-live') throw new RangeError(`it is of the family ${manifest.family}`);
    const encode = initialisersOf(model, manifest.encode.file);
    const fuse = initialisersOf(model, manifest.fuse.file);
    const settings = liveSettings(manifest, encode.weights, fuse.weights);
    const precision: Precision = encode.half ? 'f16' : 'f32';
    const layers = layersOf(settings, precision);
    const most = this.gpu.device.limits.maxUniformBufferBindingSize;
    if (!fitsUniforms(layers, precision, most)) throw new RangeError('its weights are more than uniform buffers hold');
    const weights: Initialisers = new Map([...encode.weights, ...fuse.weights]);
    return { settings, layers, weights, precision };
  }
}

function initialisersOf({ files, manifest }: LoadedModel, file: string): ReturnType<typeof readInitialisers> {
  const bytes = files.get(file);
  if (!bytes) throw new UpscaleError('model-invalid', `The file ${file} of ${manifest.name} is missing.`);
  return readInitialisers(bytes);
}

function refusal({ manifest }: LoadedModel, why: string, cause?: unknown): UpscaleError {
  const sentence = `Our kernels do not run the network ${manifest.name}: ${why.replace(/\.$/, '')}.`;
  return new UpscaleError('backend-unavailable', sentence, { recoverable: false, ...(cause ? { cause } : {}) });
}
