import {
  type AudioCodec,
  AudioSample,
  BufferSource,
  type EncodedPacket,
  EncodedPacketSink,
  Input,
  type InputAudioTrack,
  MATROSKA,
} from 'mediabunny';
import type { ProbedStream } from './ffmpeg-probe.js';
import { type FfmpegTool, SOURCE_PATH } from './ffmpeg-tool.js';
import type { SoundTrack } from './media.js';

/** Sound that is taken out of the file at once. */
const PIECE_S = 20;
/** Reading begins so much before what is wanted. */
const RUN_IN_S = 3;
/** How much of the sound is looked at to know what it is. */
const LOOK_S = 2;
/** Pieces in a row that may have no sound: what a file says of its length need not be true. */
const MOST_EMPTY = 180;
/** Decoded sound is handed on in pieces of this length. */
const SAMPLE_S = 0.5;
/** Matroska's times are whole milliseconds. */
const ROUNDED_S = 0.0015;

/** Samples in a packet of each codec, by which times are made exact again. */
const PACKET_SAMPLES: Partial<Readonly<Record<AudioCodec, (sampleRate: number) => number>>> = {
  aac: () => 1024,
  mp3: (rate) => (rate >= 32_000 ? 1152 : 576),
  ac3: () => 1536,
  eac3: () => 1536,
};

/** Sound of a file that ffmpeg.wasm takes apart. */
export async function ffmpegSound(
  tool: FfmpegTool,
  stream: ProbedStream,
  index: number,
  count: number,
): Promise<SoundTrack> {
  const { startS } = stream;
  const look = await copied(tool, index, null, startS + LOOK_S);
  const codec = (await look?.track.getCodec()) ?? null;
  const known = codec && (await look?.track.getDecoderConfig());
  look?.input.dispose();
  const plain = { codec: stream.codec, numberOfChannels: stream.channels, sampleRate: stream.sampleRate };
  return {
    name: `${count > 1 ? `sound track ${index + 1}` : 'sound'} (${stream.codec || 'unknown codec'})`,
    codec,
    config: known || plain,
    canDecode: stream.channels > 0 && stream.sampleRate > 0,
    metadata: {
      ...(stream.language ? { languageCode: stream.language } : {}),
      ...(stream.title ? { name: stream.title } : {}),
    },
    packets: () => packets(tool, stream, index, codec),
    samples: () => samples(tool, stream, index),
  };
}

/** The track's packets that begin before `toS`, in Matroska. */
async function copied(
  tool: FfmpegTool,
  index: number,
  fromS: number | null,
  toS: number,
): Promise<{ input: Input; track: InputAudioTrack } | undefined> {
  const seek = fromS === null ? [] : ['-seek_timestamp', '1', '-ss', (fromS - RUN_IN_S).toFixed(6)];
  await tool.run([
    ...['-loglevel', 'error', '-copyts', ...seek, '-i', SOURCE_PATH, '-map', `0:a:${index}`, '-c', 'copy'],
    ...['-to', toS.toFixed(6), '-avoid_negative_ts', 'disabled', '-f', 'matroska', '/sound.mka'],
  ]);
  const data = await tool.take('/sound.mka');
  if (data.length === 0) return undefined;
  const input = new Input({ formats: [MATROSKA], source: new BufferSource(data) });
  const track = await input.getPrimaryAudioTrack().catch(() => null);
  if (track) return { input, track };
  input.dispose();
  return undefined;
}

/** Whether sound may come at or after a time, the last so many pieces having had none. */
function goesOn({ startS, durationS }: ProbedStream, fromS: number, empty: number): boolean {
  if (fromS === startS) return true;
  return Number.isFinite(durationS) ? fromS < startS + durationS && empty < MOST_EMPTY : empty === 0;
}

async function* packets(
  tool: FfmpegTool,
  stream: ProbedStream,
  index: number,
  codec: AudioCodec | null,
): AsyncGenerator<EncodedPacket, void, unknown> {
  const { startS, sampleRate } = stream;
  const samplesOf = codec && PACKET_SAMPLES[codec];
  const packetS = samplesOf ? samplesOf(sampleRate) / sampleRate : 0;
  let due = Number.NaN;
  let empty = 0;
  for (let from = startS; goesOn(stream, from, empty); from += PIECE_S) {
    empty++;
    const piece = await copied(tool, index, from === startS ? null : from, from + PIECE_S);
    if (!piece) continue;
    try {
      for await (const packet of new EncodedPacketSink(piece.track).packets()) {
        if (packet.timestamp < (from === startS ? Number.NEGATIVE_INFINITY : from)) continue;
        if (packet.timestamp >= from + PIECE_S) break;
        const exact = packetS > 0 && Math.abs(packet.timestamp - due) < ROUNDED_S ? due : packet.timestamp;
        due = exact + packetS;
        empty = 0;
        yield packet.clone({ timestamp: exact, ...(packetS > 0 ? { duration: packetS } : {}) });
      }
    } finally {
      piece.input.dispose();
    }
  }
}

async function* samples(
  tool: FfmpegTool,
  stream: ProbedStream,
  index: number,
): AsyncGenerator<AudioSample, void, unknown> {
  const { startS, sampleRate, channels } = stream;
  const frameBytes = 2 * channels;
  let empty = 0;
  for (let from = startS; goesOn(stream, from, empty); from += PIECE_S) {
    const seek = from === startS ? [] : ['-seek_timestamp', '1', '-ss', (from - RUN_IN_S).toFixed(6)];
    const trim = `atrim=start=${from.toFixed(6)}:end=${(from + PIECE_S).toFixed(6)}`;
    // Gaps become silence, so that what comes begins at `from` and has a sample for every moment.
    const fill = `aresample=async=1:first_pts=${Math.round(from * sampleRate)}`;
    await tool.run([
      ...['-loglevel', 'error', '-copyts', ...seek, '-i', SOURCE_PATH, '-map', `0:a:${index}`],
      ...['-af', `${trim},${fill}`, '-ar', String(sampleRate), '-ac', String(channels), '-f', 's16le', '/sound.pcm'],
    ]);
    const data = await tool.take('/sound.pcm');
    empty = data.length < frameBytes ? empty + 1 : 0;
    const step = Math.max(1, Math.floor(SAMPLE_S * sampleRate)) * frameBytes;
    for (let at = 0; at + frameBytes <= data.length; at += step) {
      yield new AudioSample({
        data: data.slice(at, Math.min(at + step, data.length - (data.length % frameBytes))),
        format: 's16',
        numberOfChannels: channels,
        sampleRate,
        timestamp: from + at / frameBytes / sampleRate,
      });
    }
  }
}
