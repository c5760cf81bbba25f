import type { Command } from 'commander';
import { reasonOf } from '../frame/errors.js';
import { describe, type FileDescription } from '../node/file/describe.js';
import { type Estimate, estimate } from '../node/file/estimate.js';
import { loadFfmpeg } from '../node/file/ffmpeg.js';
import { FileError } from '../node/file/file-error.js';
import { Input } from '../node/file/input.js';
import { checkInput } from '../node/file/run-job.js';
import { type FileFlags, MOST_PIXELS, settingsOf } from './file-options.js';
import { EXIT } from './process.js';

type InfoFlags = Pick<FileFlags, 'scale' | 'model' | 'backend' | 'lookahead' | 'threads' | 'json'>;

/** What a file is, and what `file` would make of it. */
interface Info extends FileDescription {
  readonly output: {
    readonly width: number;
    readonly height: number;
    readonly frames: number | null;
    readonly model: string;
    readonly backend: string;
    readonly framesPerSecond: number;
    readonly seconds: number | null;
  } | null;
  /** Why there would be no output; `null` where there would. */
  readonly refused: string | null;
}

/** Adds `info` to the command line. */
export function addInfo(
  program: Command,
  { write, print }: { write: (line: string) => void; print: (line: string) => void },
  done: (code: number) => void,
): void {
  program
    .command('info')
    .description('Says what a file is, and what `file` would make of it and in what time: its first frames are tried.')
    .argument('<file>')
    .option('--scale <n>', '2 or 4. Default 2.')
    .option('--model <name>', 'as for file')
    .option('--backend <name>', 'as for file')
    .option('--lookahead <n>', 'as for file')
    .option('--threads <n>', 'as for file')
    .option('--json', 'as JSON')
    .action(async (path: string, flags: InfoFlags) => {
      try {
        const info = await infoOf(path, flags);
        if (flags.json) write(JSON.stringify(info));
        else for (const line of linesOf(info)) write(line);
        done(EXIT.ok);
      } catch (thrown) {
        print(`mana-upscale: ${reasonOf(thrown)}`);
        done(thrown instanceof FileError && thrown.code === 'usage' ? EXIT.usage : EXIT.failed);
      }
    });
}

async function infoOf(path: string, flags: InfoFlags): Promise<Info> {
  const settings = settingsOf(flags);
  const input = await Input.open(await loadFfmpeg(), path);
  try {
    const description = describe(input);
    try {
      checkInput(input, { settings, maxPixels: MOST_PIXELS });
    } catch (thrown) {
      if (!(thrown instanceof FileError)) throw thrown;
      return { ...description, output: null, refused: thrown.message };
    }
    const tried = await estimate(input, settings, MOST_PIXELS);
    if (!tried) return { ...description, output: null, refused: 'It holds too few pictures to tell.' };
    return { ...description, output: outputOf(description, settings.scale, tried), refused: null };
  } finally {
    await input.close();
  }
}

function outputOf({ video }: FileDescription, scale: number, { model, backend, framesPerSecond }: Estimate) {
  return {
    width: video.width * scale,
    height: video.height * scale,
    frames: video.frames,
    model,
    backend,
    framesPerSecond,
    seconds: video.frames === null ? null : video.frames / framesPerSecond,
  };
}

function linesOf({ path, container, bytes, seconds, video, others, output, refused }: Info): string[] {
  const { codec, width, height, pixelFormat, framesPerSecond, frames, turned, hdr } = video;
  const rate = framesPerSecond === null ? '' : `, ${Number(framesPerSecond.toFixed(3))} frames a second`;
  const count = frames === null ? '' : `, ${frames} frames`;
  return [
    `${path}: ${container}${bytes === null ? '' : `, ${sizeText(bytes)}`}${seconds === null ? '' : `, ${seconds.toFixed(1)} s`}`,
    `  video     ${codec}, ${width}x${height}, ${pixelFormat}${rate}${count}${turned ? ', shown turned' : ''}${hdr ? ', HDR' : ''}`,
    ...others.map(({ stream, kind, codec: name, language }) => {
      return `  ${kind.padEnd(10)}${name}${language ? `, ${language}` : ''} (stream ${stream})`;
    }),
    output
      ? `  output    ${output.width}x${output.height} by ${output.model} on ${output.backend}: ` +
        `${output.framesPerSecond.toFixed(1)} frames a second${output.seconds === null ? '' : `, about ${timeText(output.seconds)}`}`
      : `  output    none. ${refused}`,
  ];
}

function timeText(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  return seconds < 5400 ? `${Math.ceil(seconds / 60)} minutes` : `${(seconds / 3600).toFixed(1)} hours`;
}

function sizeText(bytes: number): string {
  return bytes < 2 ** 20 ? `${Math.ceil(bytes / 1024)} KiB` : `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
