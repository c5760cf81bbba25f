import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { hostname, uptime } from 'node:os';
import { join } from 'node:path';
import { reasonOf } from '../../frame/errors.js';
import { FileError } from './file-error.js';

/** A piece of the output's video that is whole. */
export interface Segment {
  readonly file: string;
  readonly bytes: number;
  readonly frames: number;
  /** Time of its first picture in the source's time base, as digits; its own times begin at 0. */
  readonly startPts: string;
}

interface State {
  readonly format: 1;
  /** Of all that the segments depend on. */
  readonly key: string;
  readonly segments: readonly Segment[];
  /** Whether the video is there to its end. */
  readonly complete: boolean;
}

const STATE = 'state.json';
/** Tells which process works in the folder. */
const LOCK = 'running.json';

/** A hash of what the pixels of an output depend on. */
export function keyOf(parts: unknown): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

/** The folder beside an output in which its video grows, segment by segment. It outlives the process. */
export class Parts {
  private constructor(
    readonly folder: string,
    public state: State,
  ) {}

  /**
   * Opens the folder of an output.
   * @param resume go on with what is there
   * @throws FileError where something is there and it is not to be gone on with, or is of another run
   */
  static open(output: string, key: string, { resume, overwrite }: { resume: boolean; overwrite: boolean }): Parts {
    const folder = `${output}.parts`;
    const fresh: State = { format: 1, key, segments: [], complete: false };
    if (existsSync(folder)) {
      const other = runningIn(folder);
      if (other !== undefined) {
        const how = `If that is no longer so, delete ${join(folder, LOCK)}.`;
        throw new FileError('exists', `${output} is being made by process ${other}. ${how}`);
      }
      if (resume) {
        const parts = new Parts(folder, readState(folder, output, key));
        parts.#lock();
        return parts;
      }
      if (!overwrite) {
        const how = 'Go on with it by --resume, or begin anew by --overwrite.';
        throw new FileError('exists', `${folder} holds a run that was not finished. ${how}`);
      }
      if (!isOurs(folder)) throw new FileError('exists', `${folder} holds what is not ours, and is in the way.`);
      rmSync(folder, { recursive: true, force: true });
    }
    try {
      mkdirSync(folder);
      const parts = new Parts(folder, fresh);
      parts.#lock();
      parts.#save(fresh);
      return parts;
    } catch (cause) {
      if (cause instanceof FileError) throw cause;
      throw new FileError('unwritable', `${output} cannot be written: ${reasonOf(cause)}.`, { cause });
    }
  }

  get segments(): readonly Segment[] {
    return this.state.segments;
  }

  /** Pictures of all whole segments. */
  get frames(): number {
    return this.segments.reduce((sum, { frames }) => sum + frames, 0);
  }

  /** Where a file of the folder lies. */
  path(file: string): string {
    return join(this.folder, file);
  }

  /** What the next segment is called. */
  get nextFile(): string {
    return `${String(this.segments.length).padStart(6, '0')}.mp4`;
  }

  /** A segment is whole: from now on a run goes on after it. */
  add(segment: Omit<Segment, 'bytes'>): void {
    const file = openSync(this.path(segment.file), 'r+');
    try {
      // The state must not be on the disk before what it tells of.
      fsyncSync(file);
      const { size } = fstatSync(file);
      this.#save({ ...this.state, segments: [...this.segments, { ...segment, bytes: size }] });
    } finally {
      closeSync(file);
    }
  }

  /** The last segment is there. */
  complete(): void {
    this.#save({ ...this.state, complete: true });
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** The run is over, but not the output: another one may go on. */
  leave(): void {
    rmSync(this.path(LOCK), { force: true });
  }

  #lock(): void {
    writeFileSync(this.path(LOCK), JSON.stringify({ pid: process.pid, host: hostname() }));
  }

  #save(state: State): void {
    const next = this.path(`${STATE}.new`);
    try {
      writeFileSync(next, `${JSON.stringify(state, undefined, 1)}\n`, { flush: true });
      renameSync(next, this.path(STATE));
    } catch (cause) {
      throw new FileError('unwritable', `${this.path(STATE)} cannot be written: ${reasonOf(cause)}.`, { cause });
    }
    this.state = state;
  }
}

/** The process that works in a folder; `undefined` where none does, as after a crash. */
function runningIn(folder: string): number | undefined {
  const path = join(folder, LOCK);
  let pid: number | undefined;
  try {
    const known = JSON.parse(readFileSync(path, 'utf8')) as { pid: number; host: string };
    const sinceBoot = statSync(path).mtimeMs > Date.now() - uptime() * 1000;
    if (known.host !== hostname() || known.pid === process.pid || !sinceBoot) return undefined;
    pid = known.pid;
    process.kill(pid, 0);
    return pid;
  } catch (thrown) {
    // Without permission it is there, and somebody else's.
    return (thrown as NodeJS.ErrnoException).code === 'EPERM' ? pid : undefined;
  }
}

/** Whether nothing would be lost with a folder but a run that was not finished. */
function isOurs(folder: string): boolean {
  return readdirSync(folder).every((name) =>
    /^(\d{6}\.mp4|state\.json(\.new)?|running\.json|output(-chapters)?\.\w+)$/.test(name),
  );
}

function readState(folder: string, output: string, key: string): State {
  const anew = 'Begin anew by --overwrite.';
  let state: State;
  try {
    state = JSON.parse(readFileSync(join(folder, STATE), 'utf8')) as State;
    if (state?.format !== 1 || !Array.isArray(state.segments)) throw new Error('it is not one of ours');
    for (const { file, frames, startPts, bytes } of state.segments) {
      const known = /^\d{6}\.mp4$/.test(file) && Number.isInteger(frames) && frames > 0 && /^-?\d+$/.test(startPts);
      if (!known || statSync(join(folder, file)).size !== bytes) throw new Error(`${file} is not what it was`);
    }
  } catch (cause) {
    throw new FileError('unreadable', `${folder} cannot be gone on with: ${reasonOf(cause)}. ${anew}`, { cause });
  }
  if (state.key !== key) {
    throw new FileError('usage', `${output} was begun with another input or other options. ${anew}`);
  }
  return state;
}
