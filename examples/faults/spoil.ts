import type { Tensor } from 'onnxruntime-web';

/** Enough to be seen by a person, and by every check that is worth its name. */
const OFF = 0.1;

/** Makes every number of a tensor wrong, wherever the tensor is. */
export function spoil(tensor: Tensor): void {
  if (tensor.location !== 'cpu') return;
  const { data } = tensor;
  if (data instanceof Float32Array) for (let i = 0; i < data.length; i++) data[i] = (data[i] as number) + OFF;
}
