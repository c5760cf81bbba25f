/** Words at which parsers of text go wrong. */
const WORDS = [
  '',
  '0',
  '-1',
  '1',
  '127',
  '128',
  '255',
  '65535',
  '65536',
  '4294967296',
  '1e9',
  'NaN',
  '*',
  '\0',
  'é',
  '__proto__',
];
/** More than any count of lines that a parser takes. */
const MOST_LINES = 2000;
/** Longer lines are not repeated: inputs would grow without an end. */
const MOST_REPEATED = 400;

/** A whole number below a limit. */
export type Below = (limit: number) => number;

/** A text as lines and as words, from which others take. */
export interface Foreign {
  readonly lines: readonly string[];
  readonly words: readonly string[];
}

/** Prepares a text to be taken from. */
export function foreign(text: string): Foreign {
  return { lines: text.split('\n'), words: text.split(/[\s:;=,/]+/) };
}

/**
 * Changes lines or words of a text: what changes of single bytes hardly ever make, such as two of a kind, sections in another
 * order, and numbers beyond their range.
 * @param lines of the text, which are changed
 * @param other another text, from which lines and words are taken
 */
export function mutateLines(lines: string[], other: Foreign, below: Below): void {
  const at = below(lines.length);
  const line = lines[at] ?? '';
  switch (below(9)) {
    case 0:
      lines.splice(at, 1 + below(3));
      break;
    case 1:
      lines.splice(at, 0, line);
      break;
    case 2:
      lines.splice(below(lines.length), 0, ...lines.splice(at, 1 + below(8)));
      break;
    case 3: {
      const from = below(other.lines.length);
      lines.splice(at, below(2), ...other.lines.slice(from, from + 1 + below(4)));
      break;
    }
    case 4:
      // Now and then so many that a limit must end it.
      if (lines.length < MOST_LINES && line.length < MOST_REPEATED) {
        lines.splice(at, 0, ...Array<string>(below(20) === 0 ? 500 : below(8)).fill(line));
      }
      break;
    case 5:
      lines[at] = below(4) === 0 ? line.replace(/\r$/, '') : line + (WORDS[below(WORDS.length)] ?? '');
      break;
    case 6:
      lines[at] = line.slice(0, below(Math.min(MOST_REPEATED, line.length) + 1)).repeat(below(20) === 0 ? 100 : 2);
      break;
    default: {
      const words = line.split(/([ :;=,/]+)/);
      words[below(words.length)] =
        (below(2) === 0 ? WORDS[below(WORDS.length)] : other.words[below(other.words.length)]) ?? '';
      lines[at] = words.join('');
    }
  }
}
