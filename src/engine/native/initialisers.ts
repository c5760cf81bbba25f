import { UpscaleError } from '../../frame/errors.js';

/** Weights of an ONNX graph by name, in single precision. */
export type Initialisers = ReadonlyMap<string, { readonly dims: readonly number[]; readonly data: Float32Array }>;

/** Numbers of fields in onnx.proto: ModelProto.graph, GraphProto.initializer, and of TensorProto. */
const GRAPH = 7;
const INITIALIZER = 5;
const TENSOR = { dims: 1, dataType: 2, floatData: 4, name: 8, rawData: 9 } as const;
/** TensorProto.DataType. */
const FLOAT = 1;
const FLOAT16 = 10;

const VARINT = 0;
const BYTES = 2;
/** Lengths in bytes of fields of the other kinds. */
const FIXED: Readonly<Record<number, number>> = { 1: 8, 5: 4 };

interface Field {
  readonly number: number;
  /** Of a varint. */
  readonly value: number;
  /** Of all others. */
  readonly bytes: Uint8Array;
}

/**
 * Reads the floating-point initialisers of an ONNX file; everything else in it is passed over. Our own kernels run a network
 * from the weights in its graph, so that there is one file of them.
 * @returns weights, and whether any are in half precision
 * @throws UpscaleError `model-invalid` where the file is none
 */
export function readInitialisers(file: Uint8Array): { readonly weights: Initialisers; readonly half: boolean } {
  const weights = new Map<string, { dims: number[]; data: Float32Array }>();
  let half = false;
  for (const graph of fields(file)) {
    if (graph.number !== GRAPH) continue;
    for (const { number, bytes } of fields(graph.bytes)) {
      if (number !== INITIALIZER) continue;
      const tensor = readTensor(bytes);
      if (!tensor) continue;
      weights.set(tensor.name, tensor);
      half ||= tensor.half;
    }
  }
  return { weights, half };
}

/** @returns nothing for tensors of other types */
function readTensor(
  bytes: Uint8Array,
): { name: string; dims: number[]; data: Float32Array; half: boolean } | undefined {
  const dims: number[] = [];
  let type = 0;
  let name = '';
  let raw = new Uint8Array(0);
  for (const field of fields(bytes)) {
    // Repeated numbers come one by one or packed.
    if (field.number === TENSOR.dims) dims.push(...(field.bytes.length > 0 ? varints(field.bytes) : [field.value]));
    else if (field.number === TENSOR.dataType) type = field.value;
    else if (field.number === TENSOR.name) name = new TextDecoder().decode(field.bytes);
    else if (field.number === TENSOR.rawData || field.number === TENSOR.floatData) raw = Uint8Array.from(field.bytes);
  }
  if (type !== FLOAT && type !== FLOAT16) return undefined;
  const data =
    type === FLOAT ? new Float32Array(raw.buffer, 0, raw.length >> 2) : fromHalf(new Uint16Array(raw.buffer));
  if (data.length !== dims.reduce((product, dim) => product * dim, 1)) throw broken();
  return { name, dims, data, half: type === FLOAT16 };
}

function* fields(bytes: Uint8Array): Generator<Field> {
  const at = { offset: 0 };
  while (at.offset < bytes.length) {
    const key = varint(bytes, at);
    const [number, wire] = [Math.floor(key / 8), key & 7];
    if (wire === VARINT) {
      yield { number, value: varint(bytes, at), bytes: new Uint8Array(0) };
      continue;
    }
    const length = wire === BYTES ? varint(bytes, at) : FIXED[wire];
    if (length === undefined || at.offset + length > bytes.length) throw broken();
    yield { number, value: 0, bytes: bytes.subarray(at.offset, at.offset + length) };
    at.offset += length;
  }
}

function varints(bytes: Uint8Array): number[] {
  const at = { offset: 0 };
  const values: number[] = [];
  while (at.offset < bytes.length) values.push(varint(bytes, at));
  return values;
}

function varint(bytes: Uint8Array, at: { offset: number }): number {
  let value = 0;
  for (let scale = 1; ; scale *= 128) {
    const byte = bytes[at.offset++];
    // Longer ones are negative: no number that is read here is.
    if (byte === undefined || scale > 2 ** 49) throw broken();
    value += (byte & 127) * scale;
    if (byte < 128) return value;
  }
}

/** IEEE 754 half precision to single. */
function fromHalf(halves: Uint16Array): Float32Array {
  return Float32Array.from(halves, (half) => {
    const [sign, exponent, fraction] = [half >> 15 ? -1 : 1, (half >> 10) & 31, half & 1023];
    if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
    return sign * (exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : (fraction / 1024) * 2 ** -14);
  });
}

function broken(): UpscaleError {
  return new UpscaleError('model-invalid', 'The graph of the model cannot be read.', { recoverable: false });
}
