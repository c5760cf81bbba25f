import { randomBytes } from 'node:crypto';
import { copyFileSync, existsSync, renameSync, rmSync } from 'node:fs';
import { reasonOf } from '../../frame/errors.js';
import { FileError } from './file-error.js';

/** Gives a whole output its name. @throws FileError where something has taken that meanwhile, or it cannot be given */
export function giveName(path: string, output: string, overwrite: boolean): void {
  if (!overwrite && existsSync(output)) {
    throw new FileError('exists', `${output} has come to be there meanwhile: give --overwrite to replace it.`);
  }
  try {
    move(path, output);
  } catch (cause) {
    throw new FileError('unwritable', `${output} cannot be written: ${reasonOf(cause)}.`, { cause });
  }
}

function move(path: string, output: string): void {
  try {
    renameSync(path, output);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'EXDEV') throw thrown;
    // The parts were moved to another disk, behind a link.
    const beside = `${output}.${randomBytes(4).toString('hex')}.part`;
    try {
      copyFileSync(path, beside);
      renameSync(beside, output);
    } finally {
      rmSync(beside, { force: true });
    }
  }
}
