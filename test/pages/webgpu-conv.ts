import type { InferenceSession } from 'onnxruntime-web';
import { ortInPage } from './webgpu.js';

/** A protobuf field of bytes, text or a message that is encoded already. */
function field(number: number, value: Uint8Array | string | number): Uint8Array {
  if (typeof value === 'number') return Uint8Array.from([...varint(number << 3), ...varint(value)]);
  const bytes = typeof value === 'string' ? new TextEncoder().encode(value) : value;
  const head = [...varint((number << 3) | 2), ...varint(bytes.length)];
  const out = new Uint8Array(head.length + bytes.length);
  out.set(head);
  out.set(bytes, head.length);
  return out;
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest & 127) | 128);
  }
}

function message(...fields: Uint8Array[]): Uint8Array {
  const out = new Uint8Array(fields.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of fields) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** An ONNX graph of one 3x3 convolution with padding 1: `x [1, channelsIn, 16, 24]` to `y [1, channelsOut, 16, 24]`. */
function convModel(channelsIn: number, channelsOut: number, weights: Float32Array): Uint8Array {
  const shape = (channels: number) => message(...[1, channels, 16, 24].map((length) => field(1, field(1, length)))); // TensorShapeProto.dim.dim_value
  const value = (name: string, channels: number) =>
    message(field(1, name), field(2, field(1, message(field(1, 1), field(2, shape(channels)))))); // fp32 tensor type
  const ints = (name: string, values: number[]) =>
    message(field(1, name), ...values.map((each) => field(8, each)), field(20, 7)); // AttributeProto of type INTS
  const node = message(
    ...[field(1, 'x'), field(1, 'w'), field(2, 'y'), field(4, 'Conv')],
    ...[field(5, ints('kernel_shape', [3, 3])), field(5, ints('pads', [1, 1, 1, 1]))],
  );
  const tensor = message(
    ...[channelsOut, channelsIn, 3, 3].map((length) => field(1, length)),
    ...[field(2, 1), field(8, 'w'), field(9, new Uint8Array(weights.buffer))],
  );
  const graph = message(
    ...[field(1, node), field(2, 'conv'), field(5, tensor)],
    ...[field(11, value('x', channelsIn)), field(12, value('y', channelsOut))],
  );
  return message(field(1, 8), field(8, message(field(1, ''), field(2, 16))), field(7, graph)); // IR 8, opset 16
}

/** Largest difference from WASM of a convolution on WebGPU in the given layout. */
export async function convError(channelsIn: number, channelsOut: number, layout: 'NCHW' | 'NHWC'): Promise<number> {
  const { ort, exclusive } = await ortInPage();
  const wave = (length: number) => Float32Array.from({ length }, (_, i) => Math.sin(i * 12.9898) * 0.5);
  const model = convModel(channelsIn, channelsOut, wave(channelsIn * channelsOut * 9));
  const x = new ort.Tensor('float32', wave(channelsIn * 16 * 24), [1, channelsIn, 16, 24]);
  const run = async (provider: InferenceSession.ExecutionProviderConfig): Promise<Float32Array> =>
    exclusive(async () => {
      const session = await ort.InferenceSession.create(model, { executionProviders: [provider] });
      const { y } = await session.run({ x });
      await session.release();
      return y?.data as Float32Array;
    });
  const device = await (await navigator.gpu.requestAdapter())?.requestDevice();
  const gpu = { name: 'webgpu', device, preferredLayout: layout } as InferenceSession.WebGpuExecutionProviderOption;
  const [found, expected] = [await run(gpu), await run('wasm')];
  device?.destroy();
  return expected.reduce((max, value, i) => Math.max(max, Math.abs(value - (found[i] as number))), 0);
}
