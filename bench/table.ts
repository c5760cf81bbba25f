/** One column: its heading and what it says of a row. */
export interface Column<Row> {
  readonly name: string;
  readonly text: (row: Row) => string;
  /** Words are aligned left, numbers right. */
  readonly left?: boolean;
}

/** Rows as text in aligned columns under their headings. */
export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const cells = columns.map(({ name, text }) => [name, ...rows.map(text)]);
  const padded = cells.map((column, i) => {
    const width = Math.max(...column.map((cell) => cell.length));
    return column.map((cell) => (columns[i]?.left ? cell.padEnd(width) : cell.padStart(width)));
  });
  const lines = Array.from({ length: rows.length + 1 }, (_, row) => padded.map((column) => column[row]).join('  '));
  const [heading = '', ...rest] = lines;
  return [heading, '-'.repeat(heading.length), ...rest].map((line) => line.trimEnd()).join('\n');
}

/** A number in as many digits as are worth reading: `0.04`, `1.52`, `35.2`, `1840`. */
export function digits(value: number): string {
  return value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);
}

export function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
