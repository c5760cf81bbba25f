/** Something that was measured, and what it may be. */
export interface Limit {
  readonly what: string;
  readonly value: number;
  readonly unit?: string;
  readonly atMost?: number;
  readonly atLeast?: number;
}

/** Whether every figure is within its limit. */
export function holds(limits: readonly Limit[]): boolean {
  return limits.every(within);
}

/** A line for each figure, with its limit, and a verdict. A figure beyond its limit makes the process fail. */
export function verdict(title: string, limits: readonly Limit[]): string {
  if (!holds(limits)) process.exitCode = 1;
  const wide = Math.max(...limits.map(({ what }) => what.length));
  const lines = limits.map((limit) => {
    const { what, value, unit = '', atMost, atLeast } = limit;
    const bounds = [
      ...(atMost === undefined ? [] : [`at most ${atMost}`]),
      ...(atLeast === undefined ? [] : [`at least ${atLeast}`]),
    ];
    return `  ${what.padEnd(wide)}  ${Math.round(value * 10) / 10} ${unit} (${bounds.join(', ')})${within(limit) ? '' : '  FAILS'}`;
  });
  return `${title}\n${lines.join('\n')}\n  ${holds(limits) ? 'All within their limits.' : 'NOT all within their limits.'}\n`;
}

function within({ value, atMost = Number.POSITIVE_INFINITY, atLeast = Number.NEGATIVE_INFINITY }: Limit): boolean {
  return value <= atMost && value >= atLeast;
}
