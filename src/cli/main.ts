import { Command, CommanderError } from 'commander';
import { addFile } from './file.js';
import { addInfo } from './info.js';
import { addModels } from './models.js';
import { EXIT } from './process.js';
import { addServe, type ServeParts } from './serve.js';

/** What the command line works with. */
export interface CliParts extends Omit<ServeParts, 'print'> {
  /** Takes lines for people. Default: standard error, so that logs can be piped. */
  readonly print?: (line: string) => void;
  /** Takes what was asked for. Default: standard output. */
  readonly write?: (line: string) => void;
  /** What `--version` answers. */
  readonly version?: string;
}

/**
 * The command line of `mana-upscale`.
 * @param argv arguments, without the program's own path
 * @returns the exit code, when all is over
 */
export async function main(argv: readonly string[], parts: CliParts): Promise<number> {
  const { print = (line) => console.error(line), write = (line) => console.log(line) } = parts;
  let code: number = EXIT.ok;
  const done = (result: number): void => {
    code = result;
  };
  const program = new Command('mana-upscale').description('Upscales video: files, and live between WebRTC peers.');
  const say = (text: string) => print(text.trimEnd());
  program.exitOverride().configureOutput({ writeOut: say, writeErr: say });
  if (parts.version) program.version(parts.version, '--version', 'the version of the package');
  addFile(program, { print, write }, done);
  addInfo(program, { print, write }, done);
  addModels(program, write, done);
  addServe(program, { ...parts, print }, done);
  try {
    await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    // Commander has printed what is wrong.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    throw error;
  }
  return code;
}
