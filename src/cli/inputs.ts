import { existsSync, mkdirSync, statSync } from 'node:fs';
import { basename, extname, join, resolve } from 'node:path';
import { glob } from 'tinyglobby';
import { FileError } from '../node/file/file-error.js';
import { STDIN } from '../node/file/input.js';

/** An input, and where it goes. */
export interface InputOutput {
  readonly input: string;
  readonly output: string;
}

/** What is taken for video in a folder. */
const VIDEO = [
  'mp4',
  'm4v',
  'mov',
  'mkv',
  'webm',
  'avi',
  'mpg',
  'mpeg',
  'ts',
  'm2ts',
  'mts',
  'flv',
  'wmv',
  'ogv',
  '3gp',
  'y4m',
];
/** Endings whose containers hold what we write; others become `.mkv`, which holds nearly everything. */
const WRITTEN = ['.mp4', '.m4v', '.mov', '.mkv', '.webm'];

/**
 * Files, folders and patterns as inputs, each with its output.
 * @param output a file for one input, a folder for several
 * @throws FileError `usage`
 */
export async function inputsOf(named: readonly string[], output: string): Promise<InputOutput[]> {
  const found = await Promise.all(named.map(expand));
  const all = found.flatMap(({ files }) => files);
  // One file may be named in several ways.
  const inputs = all.filter((file, i) => all.findIndex((other) => resolve(other) === resolve(file)) === i);
  if (inputs.length === 0) throw new FileError('usage', `There is no video in ${named.join(', ')}.`);
  const several = inputs.length > 1 || found.some(({ open }) => open);
  const isFolder = output !== '-' && (/[\\/]$/.test(output) || (existsSync(output) && statSync(output).isDirectory()));
  if (several && !isFolder) {
    throw new FileError(
      'usage',
      `Several inputs need a folder as their output: write -o ${output === '-' ? 'out' : output}/.`,
    );
  }
  if (!isFolder) return inputs.map((input) => ({ input, output }));
  if (inputs.includes(STDIN)) throw new FileError('usage', 'Standard input needs a file as its output, or -.');
  if (!existsSync(output)) mkdirSync(output, { recursive: true });
  const taken = new Map<string, string>();
  return inputs.map((input) => {
    const ending = extname(input);
    const kept = WRITTEN.includes(ending.toLowerCase());
    const name = join(output, kept ? basename(input) : `${basename(input, ending)}.mkv`);
    const other = taken.get(name);
    if (other !== undefined) {
      throw new FileError('usage', `${other} and ${input} would both become ${name}: give them folders of their own.`);
    }
    taken.set(name, input);
    return { input, output: name };
  });
}

/** What one argument stands for, and whether it stands for any number of files. */
async function expand(named: string): Promise<{ readonly files: readonly string[]; readonly open: boolean }> {
  if (named === STDIN) return { files: [named], open: false };
  if (existsSync(named)) {
    if (!statSync(named).isDirectory()) return { files: [named], open: false };
    const files = await glob(`*.{${VIDEO.join(',')}}`, {
      cwd: resolve(named),
      caseSensitiveMatch: false,
      onlyFiles: true,
    });
    return { files: files.sort().map((file) => join(named, file)), open: true };
  }
  if (!/[*?[\]{}]/.test(named)) return { files: [named], open: false };
  const files = await glob(named.replaceAll('\\', '/'), { onlyFiles: true, expandDirectories: false });
  return { files: files.sort(), open: true };
}
