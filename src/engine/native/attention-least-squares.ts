/** Of the largest diagonal: what keeps the equations solvable where columns follow from each other. */
const RIDGE = 1e-13;

/**
 * The matrix X `[columns, m]` for which `known * X` is nearest to `wanted`, and the largest error that is left.
 * By the normal equations in double precision: the error is as small as the numbers allow, X itself need not be unique.
 * @param known `[n, columns]`
 * @param wanted `[n, m]`
 */
export function leastSquares(
  known: Float64Array,
  wanted: Float32Array,
  columns: number,
): { readonly solution: Float32Array; readonly residual: number } {
  const rows = known.length / columns;
  const m = wanted.length / rows;
  const at = (row: number, column: number): number => known[row * columns + column] as number;
  const width = columns + m;
  // [known^T known | known^T wanted], reduced in place.
  const system = new Float64Array(columns * width);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < columns; i++) {
      const factor = at(row, i);
      for (let j = 0; j < columns; j++) add(system, i * width + j, factor * at(row, j));
      for (let j = 0; j < m; j++) add(system, i * width + columns + j, factor * (wanted[row * m + j] as number));
    }
  }
  let largest = 0;
  for (let i = 0; i < columns; i++) largest = Math.max(largest, system[i * width + i] as number);
  for (let i = 0; i < columns; i++) add(system, i * width + i, RIDGE * largest);
  // The matrix is positive definite, so that no rows need to be swapped.
  for (let pivot = 0; pivot < columns; pivot++) {
    const row = system.subarray(pivot * width, (pivot + 1) * width);
    const scale = 1 / (row[pivot] as number);
    for (let j = pivot; j < width; j++) row[j] = (row[j] as number) * scale;
    for (let other = 0; other < columns; other++) {
      const factor = system[other * width + pivot] as number;
      if (other === pivot || factor === 0) continue;
      for (let j = pivot; j < width; j++) add(system, other * width + j, -factor * (row[j] as number));
    }
  }
  const solution = new Float32Array(columns * m);
  for (let i = 0; i < columns; i++) solution.set(system.subarray(i * width + columns, (i + 1) * width), i * m);
  let residual = 0;
  for (let row = 0; row < rows; row++) {
    for (let j = 0; j < m; j++) {
      let sum = -(wanted[row * m + j] as number);
      for (let i = 0; i < columns; i++) sum += at(row, i) * (solution[i * m + j] as number);
      residual = Math.max(residual, Math.abs(sum));
    }
  }
  return { solution, residual: Number.isNaN(residual) ? Number.POSITIVE_INFINITY : residual };
}

function add(array: Float64Array, index: number, value: number): void {
  array[index] = (array[index] as number) + value;
}
