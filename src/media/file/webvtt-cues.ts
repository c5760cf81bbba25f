/** A piece of text and when it is shown, in milliseconds of the output. */
export interface Cue {
  readonly startMs: number;
  readonly endMs: number;
  /** Lines of WebVTT, none of them empty. */
  readonly text: string;
  /** Where it is shown, as WebVTT says it: `align:start line:0`. */
  readonly settings: string;
}

/** Most cues of a track; a film has some two thousand. */
const MOST_CUES = 50_000;
/** Most cues at a time. MP4 has a sample for each moment that differs, with all cues of that moment. */
const MOST_AT_ONCE = 32;
/** WebVTT as mediabunny reads it has two digits for the hour. */
const LATEST_MS = 100 * 3600_000 - 1;

/** A name that a cue may have, its times, and its settings. */
const TIMING = /^(?:(?!.*-->).*\n)?(?:(\d+):)?(\d\d):(\d\d)\.(\d{3}) --> (?:(\d+):)?(\d\d):(\d\d)\.(\d{3})(.*)\n?/;

/**
 * Takes WebVTT apart that ffmpeg wrote, and makes it such that a writer of files can rely on it: in the order in which cues
 * begin, none without text or time, no line that reads like a timing.
 * @returns the cues, and how many are left out because there are too many
 */
export function readCues(vtt: string): { readonly cues: readonly Cue[]; readonly lost: number } {
  const all: Cue[] = [];
  for (const block of vtt.replace(/\r\n?/g, '\n').split(/\n{2,}/)) {
    const timing = TIMING.exec(block);
    const text = (timing ? block.slice(timing[0].length) : block).trim().replaceAll('-->', '--&gt;');
    const before = all.at(-1);
    if (timing) {
      const [startMs, endMs] = [timeOf(timing.slice(1, 5)), timeOf(timing.slice(5, 9))];
      all.push({ startMs, endMs, text, settings: (timing[9] ?? '').replaceAll('-->', '').trim() });
    }
    // An empty line within a cue, which ends it in WebVTT.
    else if (before && text) all[all.length - 1] = { ...before, text: `${before.text}\n${text}`.trim() };
  }
  const sound = all.filter(({ startMs, endMs, text }) => text !== '' && startMs < endMs && endMs <= LATEST_MS);
  sound.sort((a, b) => a.startMs - b.startMs);
  let shown: Cue[] = [];
  const cues: Cue[] = [];
  for (const cue of sound) {
    if (cues.length === MOST_CUES) break;
    shown = shown.filter(({ endMs }) => endMs > cue.startMs);
    if (shown.length === MOST_AT_ONCE) continue;
    shown.push(cue);
    cues.push(cue);
  }
  return { cues, lost: sound.length - cues.length };
}

/** A cue as WebVTT. */
export function writeCue({ startMs, endMs, text, settings }: Cue): string {
  return `${timeText(startMs)} --> ${timeText(endMs)} ${settings}\n${text}\n\n`;
}

function timeOf([hours = '0', minutes, seconds, milliseconds]: readonly (string | undefined)[]): number {
  return ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000 + Number(milliseconds);
}

function timeText(ms: number): string {
  // Of a day and more, only the hours differ from how dates are written.
  const hours = String(Math.floor(ms / 3600_000)).padStart(2, '0');
  return `${hours}:${new Date(ms % 3600_000).toISOString().slice(14, 23)}`;
}
