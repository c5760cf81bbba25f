import { basename } from 'node:path';
import { SingleBar } from 'cli-progress';
import { damageText } from '../node/file/damage.js';
import type { JobProgress, JobResult } from '../node/file/job.js';

/** Tells whoever waits how the files come on. */
export interface Reporter {
  begin(input: string, output: string): void;
  notice(sentence: string): void;
  progress(progress: JobProgress): void;
  done(result: JobResult): void;
  failed(input: string, code: string, sentence: string): void;
  /** Leaves the terminal as it was. */
  end(): void;
}

/** From one line of progress to the next, in milliseconds. */
const EVERY_MS = { lines: 5000, json: 1000 } as const;

/** Frames a second since a file was begun, without those that were there before. */
class Pace {
  #startMs = performance.now();

  begin(): void {
    this.#startMs = performance.now();
  }

  of({ frames, kept, total }: JobProgress): { framesPerSecond: number; secondsLeft: number | undefined } {
    const framesPerSecond = (frames - kept) / Math.max(0.001, (performance.now() - this.#startMs) / 1000);
    const left = total === undefined ? undefined : Math.max(0, total - frames) / Math.max(0.001, framesPerSecond);
    return { framesPerSecond, secondsLeft: left };
  }
}

/** One JSON object a line. */
export class JsonReporter implements Reporter {
  readonly #pace = new Pace();
  #input = '';
  #toldMs = Number.NEGATIVE_INFINITY;

  constructor(readonly write: (line: string) => void) {}

  begin(input: string, output: string): void {
    this.#input = input;
    this.#pace.begin();
    this.#tell({ type: 'begin', input, output });
  }

  notice(sentence: string): void {
    this.#tell({ type: 'notice', input: this.#input, message: sentence });
  }

  progress(progress: JobProgress): void {
    if (performance.now() - this.#toldMs < EVERY_MS.json) return;
    this.#toldMs = performance.now();
    this.#tell({ type: 'progress', input: this.#input, ...progress, ...this.#pace.of(progress) });
  }

  done(result: JobResult): void {
    this.#tell({ type: 'done', input: this.#input, ...result });
  }

  failed(input: string, code: string, message: string): void {
    this.#tell({ type: 'failed', input, code, message });
  }

  end(): void {}

  #tell(what: object): void {
    this.write(JSON.stringify(what));
  }
}

/** Lines for people, and a bar where there is a terminal. */
export class TextReporter implements Reporter {
  readonly #pace = new Pace();
  #bar: SingleBar | undefined;
  #barOpen = false;
  #input = '';
  #toldMs = Number.NEGATIVE_INFINITY;

  /** @param terminal where a bar is drawn; `undefined`: lines only */
  constructor(
    readonly print: (line: string) => void,
    readonly terminal: NodeJS.WriteStream | undefined,
  ) {}

  begin(input: string): void {
    this.#input = input;
    this.#pace.begin();
    this.#toldMs = performance.now();
    this.#draw();
  }

  #draw(): void {
    if (!this.terminal) return;
    this.#bar = new SingleBar({
      stream: this.terminal,
      format: '{bar} {value} of {total} frames, {pace} a second, {left} left',
      barCompleteChar: '#',
      barIncompleteChar: '.',
      hideCursor: true,
      clearOnComplete: true,
      linewrap: false,
    });
  }

  notice(sentence: string): void {
    this.#say(`${this.#input}: ${sentence}`);
  }

  progress(progress: JobProgress): void {
    const { frames, total } = progress;
    const { framesPerSecond, secondsLeft } = this.#pace.of(progress);
    const pace = framesPerSecond.toFixed(framesPerSecond < 10 ? 1 : 0);
    const left = secondsLeft === undefined ? '?' : clock(secondsLeft);
    if (this.#bar) {
      const known = Math.max(frames, total ?? frames);
      if (!this.#barOpen) this.#bar.start(known, frames, { pace, left });
      this.#barOpen = true;
      this.#bar.setTotal(known);
      this.#bar.update(frames, { pace, left });
      return;
    }
    if (performance.now() - this.#toldMs < EVERY_MS.lines) return;
    this.#toldMs = performance.now();
    const of = total === undefined ? '' : ` of ${total}`;
    this.print(`${this.#input}: ${frames}${of} frames, ${pace} a second, ${left} left`);
  }

  done({ output, width, height, frames, seconds, model, backend, damage }: JobResult): void {
    this.#close();
    for (const sentence of damageText(damage)) this.notice(sentence);
    const pace = `${(frames / seconds).toFixed(1)} a second`;
    const where = output === '-' ? 'standard output' : output;
    this.print(`${where}: ${width}x${height}, ${frames} frames in ${clock(seconds)} (${pace}), ${model}, ${backend}`);
  }

  failed(input: string, _code: string, sentence: string): void {
    this.#close();
    // Most sentences begin with the name already.
    this.print(
      `mana-upscale: ${[input, basename(input)].some((name) => sentence.startsWith(name)) ? '' : `${input}: `}${sentence}`,
    );
  }

  end(): void {
    this.#close();
  }

  #say(line: string): void {
    const open = this.#barOpen;
    this.#close();
    this.print(line);
    if (open) this.#draw();
  }

  #close(): void {
    if (this.#barOpen) this.#bar?.stop();
    this.#barOpen = false;
  }
}

/** `1:02:03`, `2:03`. */
function clock(seconds: number): string {
  const whole = Math.round(seconds);
  const two = (n: number): string => String(n).padStart(2, '0');
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}
