import type { Initialisers } from '../../src/engine/native/initialisers.js';

/** Fields of ONNX's protobuf messages that tests touch. */
const MODEL_GRAPH = 7;
const GRAPH = { initializer: 5, output: 12 } as const;
const TENSOR = { dims: 1, type: 2, name: 8, raw: 9 } as const;
const FLOAT = 1;

type Field = readonly [number: number, value: number | Uint8Array];

/** The fp32 constants of a model that training/graph.py has written. */
export function initialisersOf(...models: readonly Uint8Array[]): Initialisers {
  const found = new Map<string, { dims: number[]; data: Float32Array }>();
  for (const model of models) {
    for (const graph of messages(fields(model), MODEL_GRAPH)) {
      for (const tensor of messages(fields(graph), GRAPH.initializer)) {
        const parts = fields(tensor);
        if (parts.find(([field]) => field === TENSOR.type)?.[1] !== FLOAT) continue;
        const [name] = messages(parts, TENSOR.name);
        const [raw] = messages(parts, TENSOR.raw);
        const dims = parts.flatMap(([field, value]) => {
          if (field !== TENSOR.dims) return [];
          return typeof value === 'number' ? [value] : packedVarints(value);
        });
        found.set(new TextDecoder().decode(name), { dims, data: new Float32Array(raw!.slice().buffer) });
      }
    }
  }
  return found;
}

/** A model with further results of its nodes as outputs: where a message comes twice, protobuf joins its lists. */
export function withOutputs(model: Uint8Array, names: readonly string[]): Uint8Array {
  const outputs = names.flatMap((name) => {
    const float = message(2, message(1, [8, FLOAT])); // TypeProto.tensor_type.elem_type
    return message(GRAPH.output, [...message(1, new TextEncoder().encode(name)), ...float]);
  });
  return Uint8Array.from([...model, ...message(MODEL_GRAPH, outputs)]);
}

function message(field: number, content: Iterable<number>): number[] {
  const bytes = [...content];
  return [...varint(field * 8 + 2), ...varint(bytes.length), ...bytes];
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [128 + (value % 128), ...varint(Math.floor(value / 128))];
}

function messages(parts: readonly Field[], wanted: number): Uint8Array[] {
  return parts.flatMap(([field, value]) => (field === wanted && typeof value !== 'number' ? [value] : []));
}

function packedVarints(bytes: Uint8Array): number[] {
  const values: number[] = [];
  for (let at = 0; at < bytes.length; ) {
    const [value, next] = readVarint(bytes, at);
    values.push(value);
    at = next;
  }
  return values;
}

function fields(bytes: Uint8Array): Field[] {
  const found: Field[] = [];
  for (let at = 0; at < bytes.length; ) {
    const [tag, start] = readVarint(bytes, at);
    const kind = tag % 8;
    if (kind !== 0 && kind !== 2) throw new RangeError(`Wire type ${kind} is not read here.`);
    const [value, next] = readVarint(bytes, start);
    at = kind === 0 ? next : next + value;
    found.push([Math.floor(tag / 8), kind === 0 ? value : bytes.subarray(next, at)]);
  }
  return found;
}

function readVarint(bytes: Uint8Array, start: number): [value: number, next: number] {
  let value = 0;
  for (let at = start, scale = 1; ; at++, scale *= 128) {
    const byte = bytes[at];
    if (byte === undefined) throw new RangeError('The model ends too soon.');
    value += (byte % 128) * scale;
    if (byte < 128) return [value, at + 1];
  }
}
