/** The constants of ONNX graphs by name, rows without gaps. */
export type Initialisers = ReadonlyMap<string, { readonly dims: readonly number[]; readonly data: Float32Array }>;
