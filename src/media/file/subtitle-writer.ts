import { type Output, type OutputFormat, TextSubtitleSource } from 'mediabunny';
import type { Media, Notice } from './media.js';
import { writeCue } from './webvtt-cues.js';

/**
 * Adds the subtitles of a file to an output that has not begun.
 * @returns writes them, once it has begun: all at once, so that no picture waits for a text that comes minutes later
 */
export async function addSubtitles(
  { subtitles }: Media,
  output: Output,
  format: OutputFormat,
  shiftS: number,
  notice: Notice,
): Promise<() => Promise<void>> {
  if (!subtitles) return async () => undefined;
  if (!format.getSupportedSubtitleCodecs().includes('webvtt')) {
    notice(`The subtitles of the file are not in the output: a ${format.fileExtension} file does not take them.`);
    return async () => undefined;
  }
  const jobs = (await subtitles(shiftS)).map(({ metadata, cues }) => {
    const source = new TextSubtitleSource('webvtt');
    output.addSubtitleTrack(source, metadata);
    return { source, cues };
  });
  return async () => {
    for (const { source, cues } of jobs) {
      await source.add('WEBVTT\n\n');
      for (const cue of cues) await source.add(writeCue(cue));
      source.close();
    }
  };
}
