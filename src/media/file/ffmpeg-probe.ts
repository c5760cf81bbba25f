import type { Rotation } from 'mediabunny';

/** A stream of a file, as ffprobe tells of it. */
export interface ProbedStream {
  /** Its place among the file's streams. */
  readonly index: number;
  readonly type: string;
  readonly codec: string;
  /** The container's own word for the codec. */
  readonly tag: string;
  readonly width: number;
  readonly height: number;
  /** Width of a pixel over its height. */
  readonly pixelAspect: number;
  readonly pixelFormat: string;
  readonly bits: number;
  readonly matrix: string;
  readonly transfer: string;
  readonly primaries: string;
  readonly fullRange: boolean;
  /** 0 where it is not known. */
  readonly frameRate: number;
  readonly frames: number;
  readonly startS: number;
  /** `NaN` where it is not known. */
  readonly durationS: number;
  readonly rotation: Rotation;
  readonly sampleRate: number;
  readonly channels: number;
  /** Three letters. */
  readonly language: string | undefined;
  readonly title: string | undefined;
  /** A picture that belongs to a song, not a video. */
  readonly isCover: boolean;
  /** What it is for, by ffmpeg's names: `default`, `forced`. */
  readonly dispositions: readonly string[];
}

/** Most streams of a file that are looked at. */
const MOST_STREAMS = 64;

/** Reads what ffprobe printed as JSON. Whatever is missing or odd has a value that says nothing. */
export function readProbe(json: unknown): readonly ProbedStream[] {
  const { streams, format } = record(json);
  const whole = record(format);
  return (Array.isArray(streams) ? streams : []).slice(0, MOST_STREAMS).map((stream: unknown, index) => {
    const s = record(stream);
    const tags = record(s['tags']);
    const sides = Array.isArray(s['side_data_list']) ? s['side_data_list'] : [];
    const turned = sides.map((side: unknown) => Number(record(side)['rotation'])).find(Number.isFinite) ?? 0;
    const pixelFormat = text(s['pix_fmt']);
    const started = number(s['start_time'], number(whole['start_time'], 0));
    const disposition = Object.entries(record(s['disposition']));
    const language = text(tags['language']);
    return {
      index,
      type: text(s['codec_type']),
      codec: text(s['codec_name']),
      tag: text(s['codec_tag_string']),
      width: number(s['width'], 0),
      height: number(s['height'], 0),
      pixelAspect: ratio(s['sample_aspect_ratio']) || 1,
      pixelFormat,
      bits: Number(/p(\d\d)[lb]e$/.exec(pixelFormat)?.[1] ?? 8),
      matrix: text(s['color_space']),
      transfer: text(s['color_transfer']),
      primaries: text(s['color_primaries']),
      fullRange: s['color_range'] === 'pc' || pixelFormat.startsWith('yuvj'),
      frameRate: ratio(s['avg_frame_rate']) || ratio(s['r_frame_rate']),
      frames: number(s['nb_frames'], 0),
      startS: started,
      durationS: number(s['duration'], number(whole['duration'], Number.NaN)),
      // It is told counter-clockwise.
      rotation: ((((Math.round(-turned / 90) * 90) % 360) + 360) % 360) as Rotation,
      sampleRate: number(s['sample_rate'], 0),
      channels: number(s['channels'], 0),
      language: /^[a-z]{3}$/.test(language) ? language : undefined,
      title: text(tags['title']) || undefined,
      isCover: disposition.some(([name, value]) => name === 'attached_pic' && value === 1),
      dispositions: disposition.filter(([, value]) => value === 1).map(([name]) => name),
    };
  });
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function number(value: unknown, otherwise: number): number {
  const parsed = typeof value === 'number' ? value : Number.parseFloat(text(value));
  return Number.isFinite(parsed) ? parsed : otherwise;
}

/** `25/1` or `4:3` as a number; 0 where it is none. */
function ratio(value: unknown): number {
  const [above, below] = text(value).split(/[:/]/).map(Number);
  const quotient = (above ?? 0) / (below ?? 1);
  return Number.isFinite(quotient) && quotient > 0 ? quotient : 0;
}
