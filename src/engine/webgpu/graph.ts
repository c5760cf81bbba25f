import type { InferenceSession, Tensor } from 'onnxruntime-web';
import { reasonOf, UpscaleError } from '../../frame/errors.js';
import type { Size } from '../../frame/frame.js';
import type { LoadedModel } from '../engine.js';
import type { OrtRuntime } from '../ort/runtime.js';
import type { GpuDevice } from './device.js';

/** A tensor at a fixed place in GPU memory. */
interface Port {
  readonly buffer: GPUBuffer;
  readonly tensor: Tensor;
}

/** Names and shapes `[1, channels, height, width]` of a graph's inputs or outputs. */
export type PortShapes = Readonly<Record<string, { readonly channels: number } & Size>>;

/**
 * One ONNX graph at one tile size, with inputs and outputs that never move: what graph capture needs. Without it ONNX
 * Runtime walks the graph for every run; with it a run replays recorded commands.
 */
export class TileGraph {
  private constructor(
    readonly gpu: GpuDevice,
    readonly runtime: OrtRuntime,
    readonly session: InferenceSession,
    /** Whether runs replay recorded commands. */
    readonly captured: boolean,
    readonly inputs: ReadonlyMap<string, Port>,
    readonly outputs: ReadonlyMap<string, Port>,
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
    if (!bytes) throw new UpscaleError('model-invalid', `The file ${options.file} of ${model.manifest.name} is missing.`);
    const open = (capture: boolean): Promise<InferenceSession> =>
      runtime.exclusive(() =>
        runtime.ort.InferenceSession.create(bytes, {
          // The default layout, NHWC, gives wrong numbers for some channel counts (ONNX Runtime 1.30).
          executionProviders: [
            { name: 'webgpu', device: gpu.device, preferredLayout: 'NCHW' } as InferenceSession.WebGpuExecutionProviderOption,
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
      throw new UpscaleError('backend-unavailable', `ONNX Runtime made no WebGPU session: ${reasonOf(cause)}`, { cause });
    }
    const ports = (shapes: PortShapes): Map<string, Port> =>
      new Map(
        Object.entries(shapes).map(([name, { channels, width, height }]) => {
          const buffer = gpu.buffer(`${options.file} ${name}`, channels * width * height * 4);
          const dims = [1, channels, height, width];
          return [name, { buffer, tensor: runtime.ort.Tensor.fromGpuBuffer(buffer, { dataType: 'float32', dims }) }];
        }),
      );
    try {
      const [inputs, outputs] = await gpu.checked(() => [ports(options.inputs), ports(options.outputs)] as const);
      return new TileGraph(gpu, runtime, session, captured, inputs, outputs);
    } catch (thrown) {
      await runtime.exclusive(() => session.release());
      throw thrown;
    }
  }

  /** Where an input is read from. */
  input(name: string): GPUBuffer {
    return portOf(this.inputs, name).buffer;
  }

  /** Where an output is found after a run. */
  output(name: string): GPUBuffer {
    return portOf(this.outputs, name).buffer;
  }

  /** Queues the graph's work behind what the queue already holds. To be called in `runtime.exclusive`. */
  async run(): Promise<void> {
    const tensors = (ports: ReadonlyMap<string, Port>): Record<string, Tensor> =>
      Object.fromEntries([...ports].map(([name, { tensor }]) => [name, tensor]));
    await this.session.run(tensors(this.inputs), tensors(this.outputs));
  }

  async release(): Promise<void> {
    try {
      await this.runtime.exclusive(() => this.session.release());
    } finally {
      for (const { buffer } of [...this.inputs.values(), ...this.outputs.values()]) this.gpu.free(buffer);
    }
  }
}

function portOf(ports: ReadonlyMap<string, Port>, name: string): Port {
  const port = ports.get(name);
  if (!port) throw new UpscaleError('model-invalid', `The graph has no input or output ${name}.`);
  return port;
}
