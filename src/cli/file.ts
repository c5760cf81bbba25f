import type { Command } from 'commander';
import { reasonOf, UpscaleError } from '../frame/errors.js';
import { loadFfmpeg } from '../node/file/ffmpeg.js';
import { FileEngines } from '../node/file/file-engines.js';
import { FileError } from '../node/file/file-error.js';
import { runJob } from '../node/file/run-job.js';
import type { NodeAv } from '../server/codecs/node-av.js';
import { type FileFlags, jobOf } from './file-options.js';
import { type InputOutput, inputsOf } from './inputs.js';
import { EXIT, onProcessSignal } from './process.js';
import { JsonReporter, type Reporter, TextReporter } from './reporter.js';

const HELP = `
The whole picture goes through the network with all its neighbours, and nothing is left out: it takes as long as it takes.
Audio, subtitles, attachments, chapters, metadata, rotation, colours and times are kept where the container takes them.

Exit codes: 0 done. 1 an input failed; the others are done. 2 done, but an input was damaged or cut off.
            64 wrong usage. 130, 143 ended by a signal: nothing half done lies under the output's name.

Examples:
  mana-upscale file in.mp4 -o out.mp4                   twice as large, x264 at crf 17
  mana-upscale file in.mp4 -o out.mkv --scale 4 --codec hevc --crf 22
  mana-upscale file in.mp4 -o out.mp4 --resume          goes on where it was stopped
  mana-upscale file clips/ "more/*.mkv" -o upscaled/    many at once
  mana-upscale file in.mp4 -o out.mp4 --from 1:30 --to 2:00
  ffmpeg -i in.mp4 -f yuv4mpegpipe - | mana-upscale file - -o - | ffmpeg -i - out.mp4`;

/** What `file` works with. */
export interface FileParts {
  readonly print: (line: string) => void;
  /** Takes what was asked for: JSON. */
  readonly write: (line: string) => void;
  readonly onSignal?: typeof onProcessSignal | undefined;
}

/** Adds `file` to the command line. @param done told its exit code */
export function addFile(program: Command, parts: FileParts, done: (code: number) => void): void {
  program
    .command('file')
    .description('Upscales video files.')
    .argument('<inputs...>', 'files, folders or patterns; -: standard input')
    .requiredOption(
      '-o, --output <path>',
      'a file, or a folder for several inputs; .y4m: pictures as they are; -: to standard output',
    )
    .option('--scale <n>', '2 or 4. Default 2.')
    .option('--model <name>', 'a shipped model, or a file or URL of a manifest. Default mana-live of the scale.')
    .option(
      '--backend <name>',
      'auto, cpu, wasm, cuda or webgpu. Default auto: cpu where onnxruntime-node is installed, else wasm.',
    )
    .option('--lookahead <n>', 'frames after each one that the network looks at, 0 to 3. Default 3.')
    .option('--threads <n>', 'Default: as many as there are cores.')
    .option('--codec <name>', 'h264, hevc, vp9 or av1. Default h264; vp9 in .webm.')
    .option('--crf <n>', 'quality, lower is better. Default 17 (h264), 20 (hevc), 24 (vp9, av1).')
    .option('--preset <name>', 'how slow the encoder may be, in its own words. Default medium, or what is like it.')
    .option('--from <time>', 'begins here: seconds, or [hours:]minutes:seconds')
    .option('--to <time>', 'ends here')
    .option('--resume', 'goes on with a run that was stopped, from its last whole segment')
    .option('--overwrite', 'replaces an output that is there, and what is left of a run')
    .option('--json', 'one JSON object a line on standard output (standard error with -o -)')
    .option('--max-pixels <n>', 'refuses larger pictures. Default 9437184 (4096 x 2304).')
    .option('--segment-frames <n>', 'frames of a segment that a later run can go on after. Default 400.')
    .addHelpText('after', HELP)
    .action(async (inputs: string[], flags: FileFlags) => done(await run(inputs, flags, parts)));
}

async function run(
  named: readonly string[],
  flags: FileFlags,
  { print, write, onSignal = onProcessSignal }: FileParts,
): Promise<number> {
  let files: InputOutput[];
  let av: NodeAv;
  try {
    files = await inputsOf(named, flags.output);
    // What is wrong with the flags is wrong with them for every file.
    for (const file of files) jobOf(file, flags);
    av = await loadFfmpeg();
  } catch (thrown) {
    print(`mana-upscale: ${reasonOf(thrown)}`);
    return thrown instanceof FileError && thrown.code === 'usage' ? EXIT.usage : EXIT.failed;
  }
  const reporter = reporterOf(flags, print, write);
  const controller = new AbortController();
  let signalled: NodeJS.Signals | undefined;
  const stop = onSignal((signal) => {
    if (signalled) {
      // Native code may wait for a reader that never reads, and a process that exits waits for native code.
      reporter.end();
      stop();
      process.kill(process.pid, signal);
    }
    signalled = signal;
    controller.abort();
  });
  const engines = new FileEngines();
  const codes = new Set<number>();
  const failed: string[] = [];
  try {
    for (const file of files) {
      if (signalled) break;
      const code = await one(av, file, flags, reporter, controller.signal, engines);
      await engines.renew();
      codes.add(code);
      if (code !== EXIT.ok && code !== EXIT.damaged) failed.push(file.input);
    }
  } finally {
    stop();
    reporter.end();
    await engines.dispose();
  }
  if (signalled) return codeOf(signalled);
  if (files.length > 1 && failed.length > 0) {
    print(`mana-upscale: ${failed.length} of ${files.length} files failed: ${failed.join(', ')}`);
  }
  if (files.length > 1 && codes.has(EXIT.usage)) return EXIT.failed;
  return [EXIT.usage, EXIT.failed, EXIT.damaged].find((code) => codes.has(code)) ?? EXIT.ok;
}

async function one(
  av: NodeAv,
  file: InputOutput,
  flags: FileFlags,
  reporter: Reporter,
  signal: AbortSignal,
  engines: FileEngines,
): Promise<number> {
  const { input, output } = file;
  reporter.begin(input, output);
  try {
    const result = await runJob(av, jobOf(file, flags), reporter, signal, engines);
    reporter.done(result);
    const { truncated, packets, pictures } = result.damage;
    return truncated || packets > 0 || pictures > 0 ? EXIT.damaged : EXIT.ok;
  } catch (thrown) {
    const known = thrown instanceof FileError || thrown instanceof UpscaleError;
    // Whoever reads the output has enough of it: no failure of ours.
    if (thrown instanceof FileError && thrown.code === 'closed' && output === '-') return EXIT.ok;
    reporter.failed(input, known ? thrown.code : 'failed', reasonOf(thrown));
    return thrown instanceof FileError && thrown.code === 'usage' ? EXIT.usage : EXIT.failed;
  }
}

function reporterOf(
  { json, output }: FileFlags,
  print: (line: string) => void,
  write: (line: string) => void,
): Reporter {
  if (json) return new JsonReporter(output === '-' ? print : write);
  return new TextReporter(print, process.stderr.isTTY ? process.stderr : undefined);
}

function codeOf(signal: NodeJS.Signals): number {
  return signal === 'SIGTERM' ? EXIT.ended : EXIT.cut;
}
