import {
  type AudioCodec,
  AudioSampleSource,
  type AudioSource,
  canEncodeAudio,
  EncodedAudioPacketSource,
  type Output,
  type OutputFormat,
  Quality,
} from 'mediabunny';
import type { Notice, SoundTrack } from './media.js';

/** Sound is written at most this much before the picture, in seconds: writers keep what is ahead in memory. */
const AHEAD_S = 1;
/** What sound is coded in where its own codec does not fit, best first. */
const INSTEAD: readonly AudioCodec[] = ['aac', 'opus', 'mp3', 'flac'];

/** A sound track on its way into the output. */
export interface SoundJob {
  /** Writes it, in step with the picture. */
  run(clock: PictureClock, shiftS: number, signal: AbortSignal): Promise<void>;
}

/** How far the picture is, in seconds of the source. */
export class PictureClock {
  #nowS = Number.NEGATIVE_INFINITY;
  #waiting: { readonly untilS: number; readonly go: () => void }[] = [];

  advance(nowS: number): void {
    this.#nowS = Math.max(this.#nowS, nowS);
    const due = this.#waiting.filter(({ untilS }) => untilS <= this.#nowS);
    this.#waiting = this.#waiting.filter(({ untilS }) => untilS > this.#nowS);
    for (const { go } of due) go();
  }

  /** Lets everybody go who waits now or later. */
  end(): void {
    this.advance(Number.POSITIVE_INFINITY);
  }

  /** Settles as soon as the picture is there. */
  reaches(untilS: number): Promise<void> {
    if (untilS <= this.#nowS) return Promise.resolve();
    return new Promise((go) => this.#waiting.push({ untilS, go }));
  }
}

/** Adds a track's sound to an output that has not begun: copied where the format takes it, else coded anew. */
export async function addSound(
  track: SoundTrack,
  output: Output,
  format: OutputFormat,
  notice: Notice,
): Promise<SoundJob | undefined> {
  const taken = format.getSupportedAudioCodecs();
  const { codec, config, metadata, name } = track;
  const kind = format.fileExtension.slice(1);
  if (codec && config && taken.includes(codec)) {
    const source = new EncodedAudioPacketSource(codec);
    output.addAudioTrack(source, { ...metadata, decoderConfig: config });
    return job(source, async function* (shiftS) {
      for await (const packet of track.packets()) {
        const { timestamp } = packet;
        yield {
          timestamp,
          add: () =>
            source.add(shiftS === 0 ? packet : packet.clone({ timestamp: timestamp + shiftS }), {
              decoderConfig: config,
            }),
          drop: () => undefined,
        };
      }
    });
  }
  if (!track.canDecode || !config) {
    notice(`The ${name} is not in the output: this browser cannot decode it, and a .${kind} file does not take it.`);
    return undefined;
  }
  const quality = new Quality('high');
  const { numberOfChannels, sampleRate } = config;
  let instead: AudioCodec | undefined;
  for (const one of INSTEAD) {
    if (!taken.includes(one) || !(await canEncodeAudio(one, { numberOfChannels, sampleRate, quality }))) continue;
    instead = one;
    break;
  }
  if (!instead) {
    notice(`The ${name} is not in the output: this browser encodes no sound that a .${kind} file takes.`);
    return undefined;
  }
  notice(`The ${name} is coded anew as ${instead}, because a .${kind} file does not take it as it is.`);
  const source = new AudioSampleSource({ codec: instead, quality });
  output.addAudioTrack(source, metadata);
  return job(source, async function* (shiftS) {
    for await (const sample of track.samples()) {
      const { timestamp } = sample;
      if (shiftS !== 0) sample.setTimestamp(timestamp + shiftS);
      yield {
        timestamp,
        add: async () => {
          try {
            await source.add(sample);
          } finally {
            sample.close();
          }
        },
        drop: () => sample.close(),
      };
    }
  });
}

/** A piece of sound. `timestamp` is in seconds of the source. */
interface Piece {
  readonly timestamp: number;
  add(): Promise<void>;
  drop(): void;
}

function job(source: AudioSource, pieces: (shiftS: number) => AsyncGenerator<Piece>): SoundJob {
  return {
    run: async (clock, shiftS, signal) => {
      let beforeS = Number.NEGATIVE_INFINITY;
      for await (const piece of pieces(shiftS)) {
        // One piece ahead at least, or a writer that waits for sound would keep the picture in memory.
        await clock.reaches(beforeS - AHEAD_S);
        if (signal.aborted) {
          piece.drop();
          return;
        }
        await piece.add();
        beforeS = piece.timestamp;
      }
      source.close();
    },
  };
}
