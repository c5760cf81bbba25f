import { UpscaleError } from '../../frame/errors.js';
import type { LoadedModel, StreamShape } from '../engine.js';
import type { GpuDevice, GpuScope } from '../webgpu/device.js';
import { createGpuEngine, type GpuEngineOptions, type WebGpuEngine } from '../webgpu/engine.js';
import type { NetworkLease, NetworkSource } from '../webgpu/network.js';
import { type AttentionWeights, attentionWeights } from './attention-weights.js';
import { type Precision, type Tuning, USUAL_TUNING } from './conv.js';
import { type Initialisers, readInitialisers } from './initialisers.js';
import { fitsUniforms, type Kernel, kernelsOf, type Layers, layersOf } from './layers.js';
import { NativeNetwork } from './network.js';
import { type LiveSettings, liveSettings } from './settings.js';

/** Choices for {@link createNativeEngine}. */
export interface NativeOptions extends GpuEngineOptions {
  /** How kernels cut their work. Default: what is good on most GPUs. */
  readonly tuning?: Tuning;
}

/**
 * An engine of our own WebGPU kernels, for networks of the mana-live family.
 * @throws UpscaleError `backend-unavailable` where there is no adapter or device
 */
export function createNativeEngine(options: NativeOptions): Promise<WebGpuEngine> {
  return createGpuEngine(options, (gpu) => new NativeNetworks(gpu, options.tuning ?? USUAL_TUNING));
}

interface Shared {
  readonly scope: GpuScope;
  readonly settings: LiveSettings;
  readonly kernels: Layers<Kernel>;
  readonly attention: AttentionWeights | undefined;
  readonly precision: Precision;
  users: number;
}

/** Networks of our own kernels; streams of one model share its weights. */
export class NativeNetworks implements NetworkSource {
  readonly backend = 'webgpu-native';
  readonly #shared = new Map<LoadedModel, Shared>();

  constructor(
    readonly gpu: GpuDevice,
    readonly tuning: Tuning,
  ) {}

  async lease(model: LoadedModel, shape: StreamShape): Promise<NetworkLease> {
    if (shape.fuse.overlap > 0) throw new UpscaleError('backend-unavailable', 'Our kernels do not blend tiles.');
    const shared = this.#shared.get(model) ?? (await this.gpu.checked(() => this.#share(model)));
    this.#shared.set(model, shared);
    shared.users++;
    return {
      captured: false,
      make: (parts) => new NativeNetwork(parts, shared.settings, shared.kernels, shared.attention, shared.precision),
      release: async () => {
        shared.users--;
        if (shared.users > 0) return;
        this.#shared.delete(model);
        shared.scope.dispose();
      },
    };
  }

  #share(model: LoadedModel): Shared {
    const { manifest } = model;
    const encode = this.#read(model, manifest.encode.file);
    const fuse = this.#read(model, manifest.fuse.file);
    const settings = liveSettings(manifest, encode.weights, fuse.weights);
    const precision = encode.half ? 'f16' : 'f32';
    const layers = layersOf(settings, precision);
    if (!fitsUniforms(layers, precision)) {
      throw new UpscaleError('backend-unavailable', `The network ${manifest.name} is too large for our kernels.`, {
        recoverable: false,
      });
    }
    const scope = this.gpu.scope();
    const weights: Initialisers = new Map([...encode.weights, ...fuse.weights]);
    const attention = settings.attention && attentionWeights(settings.attention, weights);
    const kernels = kernelsOf(scope, layers, weights, this.tuning, precision);
    return { scope, settings, precision, kernels, attention, users: 0 };
  }

  #read({ files, manifest }: LoadedModel, file: string): { weights: Initialisers; half: boolean } {
    const bytes = files.get(file);
    if (!bytes) throw new UpscaleError('model-invalid', `The file ${file} of ${manifest.name} is missing.`);
    return readInitialisers(bytes);
  }
}
