/** Smaller allocations succeed: what is refused is a plane of a picture, not a handful of numbers. */
const LARGE_BYTES = 16 * 1024;

/** Refuses the next large array of floats or GPU buffer. */
export function refuseNextAllocation(struck: () => void): void {
  const undo: (() => void)[] = [];
  const refuse = (bytes: number): void => {
    if (bytes < LARGE_BYTES) return;
    for (const restore of undo) restore();
    struck();
    throw new RangeError('Array buffer allocation failed (injected)');
  };
  undo.push(refuseArrays(refuse));
  if ('GPUDevice' in self) undo.push(refuseBuffers(refuse));
}

/** Asks `refuse` before each new array of floats; gives back what ends that. */
function refuseArrays(refuse: (bytes: number) => void): () => void {
  const original = globalThis.Float32Array;
  globalThis.Float32Array = new Proxy(original, {
    construct(target, args: unknown[], newTarget) {
      // A view of a buffer that exists takes no memory.
      if (typeof args[0] === 'number') refuse(args[0] * original.BYTES_PER_ELEMENT);
      return Reflect.construct(target, args, newTarget === globalThis.Float32Array ? target : newTarget);
    },
  });
  return () => {
    globalThis.Float32Array = original;
  };
}

/** Asks `refuse` before each new GPU buffer; gives back what ends that. */
function refuseBuffers(refuse: (bytes: number) => void): () => void {
  const { prototype } = GPUDevice;
  const original = prototype.createBuffer;
  prototype.createBuffer = function (descriptor) {
    refuse(descriptor.size);
    return original.call(this, descriptor);
  };
  return () => {
    prototype.createBuffer = original;
  };
}
