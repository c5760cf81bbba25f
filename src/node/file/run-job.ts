import { existsSync, realpathSync } from 'node:fs';
import { dirname, extname, resolve } from 'node:path';
import { sizeText } from '../../frame/frame.js';
import type { NodeAv } from '../../server/codecs/node-av.js';
import type { FileEngines } from './file-engines.js';
import { FileError } from './file-error.js';
import { Input, nameOf, STDIN } from './input.js';
import type { FileJob, JobEvents, JobResult } from './job.js';
import { refuseHdr, tagsOf } from './picture-reader.js';
import { Run } from './run.js';

/** Sides of the output; encoders take no more. */
const MOST_SIDE = 16384;

/** Upscales a file. @param engines of all files of a command; the caller ends them @throws FileError, UpscaleError with a sentence that says why not */
export async function runJob(
  av: NodeAv,
  job: FileJob,
  events: JobEvents,
  signal: AbortSignal,
  engines: FileEngines,
): Promise<JobResult> {
  const start = performance.now();
  const raw = isRaw(job.output);
  if (raw && job.resume)
    throw new FileError('usage', 'Only video that is encoded can be resumed: give an output such as out.mp4.');
  if (job.input === STDIN && job.resume)
    throw new FileError('usage', 'Standard input cannot be read again: --resume needs a file.');
  checkOutput(job);
  const input = await Input.open(av, job.input, signal);
  const run = new Run(av, job, events, signal, engines);
  try {
    checkInput(input, job);
    const { codecpar } = input.video;
    const { scale } = job.settings;
    run.size = { width: codecpar.width * scale, height: codecpar.height * scale };
    const frames = raw ? await run.raw(input) : await run.segments(input);
    const { width, height } = run.size;
    const seconds = (performance.now() - start) / 1000;
    const { backend, model, damage } = run;
    const startSeconds = (run.readyMs - start) / 1000;
    return { output: job.output, width, height, frames, seconds, startSeconds, backend, model, damage };
  } catch (thrown) {
    // Whatever came of it: it was the signal's doing.
    const interrupted = thrown instanceof FileError && thrown.code === 'interrupted';
    if (signal.aborted && !interrupted) throw new FileError('interrupted', 'Ended before the file was done.');
    throw thrown;
  } finally {
    run.dispose();
    await input.close();
  }
}

/** Whether an output is pictures that nobody encodes. */
export function isRaw(output: string): boolean {
  return output === '-' || extname(output).toLowerCase() === '.y4m';
}

function checkOutput({ input, output, overwrite }: FileJob): void {
  if (output === '-' || !existsSync(output)) {
    const folder = dirname(resolve(output));
    if (output !== '-' && !existsSync(folder))
      throw new FileError('unwritable', `The folder ${folder} does not exist.`);
    return;
  }
  if (input !== STDIN && existsSync(input) && realpathSync(input) === realpathSync(output)) {
    throw new FileError('usage', `${output} is the input itself: name another output.`);
  }
  if (!overwrite) throw new FileError('exists', `${output} is there already: give --overwrite to replace it.`);
}

/** Whether a file's video is something that can be upscaled. @throws FileError `unsupported` */
export function checkInput(
  { av, video, path }: Input,
  { settings: { scale }, maxPixels }: Pick<FileJob, 'settings' | 'maxPixels'>,
): void {
  const { codecpar } = video;
  const { width, height } = codecpar;
  refuseHdr(av, tagsOf(codecpar));
  if (codecpar.getCodedSideData(av.constants.AV_PKT_DATA_DOVI_CONF)) {
    throw new FileError('unsupported', `${nameOf(path)} is Dolby Vision, and the networks know SDR only.`);
  }
  if (width < 1 || height < 1) {
    throw new FileError('unreadable', `${nameOf(path)} holds video, but no picture of it can be decoded.`);
  }
  const most = Math.floor(MOST_SIDE / scale);
  if (width * height > maxPixels || width > most || height > most) {
    const limit = `${maxPixels} pixels, and ${most} along a side`;
    throw new FileError(
      'unsupported',
      `${nameOf(path)} is ${sizeText(codecpar)}, more than ${limit}: see --max-pixels.`,
    );
  }
}
