import type { InferenceSession, Tensor } from 'onnxruntime-web';
import { reasonOf, UpscaleError } from '../../frame/errors.js';
import type { Size } from '../../frame/frame.js';
import type { LoadedModel } from '../engine.js';
import type { OrtRuntime } from '../ort/runtime.js';
import type { GpuDevice, GpuScope } from './device.js';

/** Names and shapes `[1, channels, height, width]` of a graph's inputs or outputs. */
export type PortShapes = Readonly<Record<string, { readonly channels: number } & Size>>;

/**
 * One ONNX graph at one tile size, with inputs and outputs that never move: what graph capture needs. Without it ONNX
 * Runtime walks the graph for every run; with it a run replays recorded commands.
 *
 * With capture the outputs are buffers that ONNX Runtime makes. Buffers of ours as outputs would be read after it has
 * let go of them (onnxruntime-web 1.30: the second run fails in `webgpuRegisterBuffer`, or not, as memory falls).
 */
export class TileGraph {
  private constructor(
    readonly scope: GpuScope,
    readonly runtime: OrtRuntime,
    readonly session: InferenceSession,
    /** Whether runs replay recorded commands. */
    readonly captured: boolean,
    readonly inputs: Readonly<Record<string, Tensor>>,
    readonly outputs: Readonly<Record<string, Tensor>>,
  ) {}

  /**
   * @param options.size the tile
   * @param options.capture record the graph's commands where ONNX Runtime can: when every operator has a GPU kernel
   */
  static async create(
    gpu: GpuDevice,
    runtime: OrtRuntime,
    model: LoadedModel,
    options: { file: string; size: Size; inputs: PortShapes; outputs: PortShapes; capture: boolean },
  ): Promise<TileGraph> {
    const bytes = model.files.get(options.file);
    if (!bytes)
      throw new UpscaleError('model-invalid', `The file ${options.file} of ${model.manifest.name} is missing.`);
    const open = (capture: boolean): Promise<InferenceSession> =>
      runtime.exclusive(() =>
        runtime.ort.InferenceSession.create(bytes, {
          // The default layout, NHWC, gives wrong numbers for some channel counts (ONNX Runtime 1.30).
          executionProviders: [
            {
              name: 'webgpu',
              device: gpu.device,
              preferredLayout: 'NCHW',
            } as InferenceSession.WebGpuExecutionProviderOption,
          ],
          preferredOutputLocation: 'gpu-buffer',
          enableGraphCapture: capture,
          freeDimensionOverrides: { batch: 1, height: options.size.height, width: options.size.width },
          graphOptimizationLevel: 'all',
        }),
      );
    let captured = options.capture;
    let session: InferenceSession;
    try {
      session = await open(captured).catch((thrown: unknown) => {
        if (!captured) throw thrown;
        captured = false;
        return open(false);
      });
    } catch (cause) {
      throw new UpscaleError('backend-unavailable', `ONNX Runtime made no WebGPU session: ${reasonOf(cause)}`, {
        cause,
      });
    }
    const scope = gpu.scope();
    const tensors = (shapes: PortShapes): Record<string, Tensor> =>
      Object.fromEntries(
        Object.entries(shapes).map(([name, { channels, width, height }]) => {
          const buffer = scope.buffer(`${options.file} ${name}`, channels * width * height * 4);
          const dims = [1, channels, height, width];
          return [name, runtime.ort.Tensor.fromGpuBuffer(buffer, { dataType: 'float32', dims })];
        }),
      );
    try {
      const ports = await gpu.checked(() => ({
        inputs: tensors(options.inputs),
        outputs: captured ? undefined : tensors(options.outputs),
      }));
      // The first run compiles, records, and says where the outputs are.
      const { inputs, outputs } = ports;
      const results = await runtime.exclusive(() => (outputs ? session.run(inputs, outputs) : session.run(inputs)));
      return new TileGraph(scope, runtime, session, captured, inputs, outputs ?? results);
    } catch (thrown) {
      scope.dispose();
      await runtime.exclusive(() => session.release());
      throw thrown;
    }
  }

  /** Where an input is read from. */
  input(name: string): GPUBuffer {
    return bufferOf(this.inputs, name);
  }

  /** Where an output is found after a run. May be larger than the tensor. */
  output(name: string): GPUBuffer {
    return bufferOf(this.outputs, name);
  }

  /** Queues the graph's work behind what the queue already holds. To be called in `runtime.exclusive`. */
  async run(): Promise<void> {
    if (!this.captured) {
      await this.session.run(this.inputs, this.outputs);
      return;
    }
    // The results are new handles of the same buffers.
    for (const tensor of Object.values(await this.session.run(this.inputs))) tensor.dispose();
  }

  async release(): Promise<void> {
    try {
      await this.runtime.exclusive(async () => {
        if (this.captured) for (const tensor of Object.values(this.outputs)) tensor.dispose();
        await this.session.release();
      });
    } finally {
      this.scope.dispose();
    }
  }
}

function bufferOf(tensors: Readonly<Record<string, Tensor>>, name: string): GPUBuffer {
  const tensor = tensors[name];
  if (!tensor) throw new UpscaleError('model-invalid', `The graph has no input or output ${name}.`);
  return tensor.gpuBuffer as GPUBuffer;
}
