import {
  ALL_FORMATS,
  AudioSampleSink,
  BlobSource,
  EncodedPacketSink,
  HLS,
  Input,
  type InputAudioTrack,
  type InputVideoTrack,
  IsobmffInputFormat,
  MatroskaInputFormat,
  type MetadataTags,
  QTFF,
  UrlSource,
  type VideoSample,
  VideoSampleSink,
  WEBM,
} from 'mediabunny';
import { reasonOf, UpscaleError } from '../../frame/errors.js';
import { EightBit } from './eight-bit.js';
import { Increasing } from './frame-times.js';
import { type Media, NO_CHAPTERS, type Notice, type SoundTrack, type SourceFrame, type VideoFacts } from './media.js';
import { FrameColours, namedColours } from './named-colours.js';
import type { FileContainer } from './options.js';
import type { FileSource } from './protocol.js';
import { mentionsIn, type ReadSubtitles } from './subtitles.js';

/** Streams over many files are not one file. */
const FORMATS = ALL_FORMATS.filter((format) => format !== HLS);
/** Frames whose rate is taken for that of a file without a table of its frames. */
const RATE_FRAMES = 250;
/** Most that is read ahead of a file, or kept of it, in bytes. */
const CACHE_BYTES = 8 * 1024 * 1024;
const URL_RETRIES = 3;
/** Places in a file where decoding may fail before it is given up. */
const MOST_BREAKS = 1000;

/** More than any film has; each takes memory. */
const MOST_SOUND_TRACKS = 32;
/** A picture that ends so much before the file is worth a word. Sound often ends later by less. */
const MISSING_S = 0.5;

/** What the browser's own decoders cannot read, as opposed to what is broken. */
export class NotForBrowser extends Error {}

/**
 * A file that mediabunny takes apart and the browser decodes.
 * @param subtitles reads those of a file that seems to have them, `what`
 * @throws NotForBrowser where something else may read it; UpscaleError `file-invalid` or `file-unsupported` where nothing can
 */
export async function openBrowserMedia(
  source: FileSource,
  notice: Notice,
  subtitles: (what: string) => ReadSubtitles,
): Promise<Media> {
  const input = new Input({
    formats: FORMATS,
    source:
      source.kind === 'blob'
        ? new BlobSource(source.blob, { maxCacheSize: CACHE_BYTES })
        : new UrlSource(source.url, {
            maxCacheSize: CACHE_BYTES,
            getRetryDelay: (attempts) => (attempts < URL_RETRIES ? 1 : null),
          }),
  });
  try {
    const media = await BrowserMedia.open(input, notice);
    const mentions = await mentionsIn(source);
    if (mentions.chapters) notice(NO_CHAPTERS);
    if (mentions.subtitles) media.subtitles = subtitles(mentions.subtitles);
    return media;
  } catch (thrown) {
    input.dispose();
    throw thrown instanceof UpscaleError || thrown instanceof NotForBrowser ? thrown : unreadable(thrown);
  }
}

class BrowserMedia implements Media {
  subtitles: ReadSubtitles | null = null;
  readonly #eightBit: EightBit;
  readonly #colours: FrameColours;

  private constructor(
    readonly input: Input,
    readonly track: InputVideoTrack,
    readonly video: VideoFacts,
    readonly sound: readonly SoundTrack[],
    readonly tags: MetadataTags,
    readonly container: FileContainer,
    readonly notice: Notice,
  ) {
    this.#colours = new FrameColours(video.colour);
    this.#eightBit = new EightBit((format) => {
      if (/P1[02]/.test(format)) notice('The source has more than 8 bits a sample; the output has 8.');
      if (format.includes('A')) notice('The source has transparent parts; the output is opaque.');
    });
  }

  static async open(input: Input, notice: Notice): Promise<BrowserMedia> {
    if (!(await input.canRead())) throw new NotForBrowser('its format is not one that this browser reads');
    const { tracks, broken } = await tracksOf(input);
    const videos = tracks.filter((track) => track.isVideoTrack());
    const [track] = videos;
    if (!track) {
      if (broken) throw new UpscaleError('file-invalid', `The file is cut off or damaged: ${broken}.`, FINAL);
      if (tracks.some((other) => other.isAudioTrack())) {
        throw new UpscaleError('file-invalid', 'The file has no video, only sound.', FINAL);
      }
      throw new NotForBrowser('no video was found in it');
    }
    if (videos.length > 1) notice(`The file has ${videos.length} video tracks; only the first one is in the output.`);
    if (await track.hasHighDynamicRange()) throw hdr();
    const codec = await track.getCodec();
    if (codec === null || !(await track.canDecode())) {
      const name = codec ?? String((await track.getInternalCodecId()) ?? 'an unknown codec');
      throw new NotForBrowser(`this browser cannot decode its video (${name})`);
    }
    const format = await input.getFormat();
    const video = await factsOf(track, format instanceof IsobmffInputFormat);
    const audio = tracks.filter((other) => other.isAudioTrack()).slice(0, MOST_SOUND_TRACKS);
    if (tracks.length - videos.length > audio.length) {
      notice(
        `The file has ${tracks.length - videos.length} sound tracks; only the first ${audio.length} are in the output.`,
      );
    }
    const sound = await Promise.all(audio.map((one, i) => soundOf(one, i, audio.length)));
    const tags = await input.getMetadataTags().catch(() => ({}));
    const container = format === WEBM ? 'webm' : format instanceof MatroskaInputFormat ? 'mkv' : 'mp4';
    return new BrowserMedia(input, track, video, sound, tags, container, notice);
  }

  /**
   * Where packets are broken, decoding goes on with the next keyframe. An end that comes too early is an end.
   * @throws UpscaleError `file-invalid` where nothing can be decoded
   */
  async *frames(fromS = Number.NEGATIVE_INFINITY): AsyncGenerator<SourceFrame, void, unknown> {
    const packets = new EncodedPacketSink(this.track);
    let [from, last, any] = [fromS, Number.NEGATIVE_INFINITY, false];
    let endS = Number.NEGATIVE_INFINITY;
    const times = new Increasing();
    for (let breaks = 0; ; breaks++) {
      try {
        for await (const sample of new VideoSampleSink(this.track).samples(from)) {
          if (breaks > 0 && sample.timestamp <= last) {
            // Decoded once more, after a break.
            sample.close();
            continue;
          }
          last = Math.max(last, sample.timestamp);
          endS = sample.timestamp + sample.duration;
          any = true;
          yield await this.#frameOf(sample, times.next(sample.timestamp));
        }
        if (!any && fromS === Number.NEGATIVE_INFINITY) {
          throw new UpscaleError('file-invalid', 'The file is damaged: not one frame of it can be decoded.', FINAL);
        }
        const lacksS = this.video.endS - endS;
        if (any && lacksS > MISSING_S) {
          this.notice(`The picture ends ${lacksS.toFixed(1)} s before the file says that it does: it may be cut off.`);
        }
        return;
      } catch (thrown) {
        if (thrown instanceof UpscaleError || this.input.disposed) throw thrown;
        if (isGone(thrown)) throw unreadable(thrown);
        const next = breaks < MOST_BREAKS ? await nextKeyframe(packets, Math.max(last, from)) : null;
        if (!next && !any) {
          const why = `not one frame of it can be decoded (${reasonOf(thrown)})`;
          throw new UpscaleError('file-invalid', `The file is damaged: ${why}.`, { ...FINAL, cause: thrown });
        }
        this.notice(
          next
            ? 'Parts of the file are damaged: frames that cannot be decoded are left out.'
            : 'The file is cut off or damaged: the output ends with the last frame that can be decoded.',
        );
        if (!next) return;
        from = next;
      }
    }
  }

  dispose(): void {
    this.input.dispose();
  }

  async #frameOf(sample: VideoSample, timestampS: number): Promise<SourceFrame> {
    try {
      const frame = await this.#colours.convert(this.#eightBit.convert(sample.toVideoFrame()));
      return { frame, timestampS, durationS: sample.duration };
    } finally {
      sample.close();
    }
  }
}

const FINAL = { recoverable: false } as const;

/** Whether the bytes themselves cannot be had any more, which is no damage of the file: half of it must not pass for all. */
function isGone(thrown: unknown): boolean {
  const { name = '', message = '' } = thrown instanceof Error || thrown instanceof DOMException ? thrown : {};
  return /^(NotReadable|NotFound|NotAllowed|Network)Error$/.test(name) || /fetch/i.test(message);
}

function unreadable(cause: unknown): UpscaleError {
  return new UpscaleError('file-invalid', `The file cannot be read: ${reasonOf(cause)}.`, { ...FINAL, cause });
}

/** The error for a source that is brighter than eight bits can say. */
export function hdr(): UpscaleError {
  const why = 'This video is in high dynamic range (HDR), which the network was not made for.';
  return new UpscaleError('file-unsupported', `${why} Convert it to SDR first.`, FINAL);
}

/** The tracks of a file, or why they cannot be listed. */
async function tracksOf(input: Input): Promise<{ tracks: (InputVideoTrack | InputAudioTrack)[]; broken?: string }> {
  try {
    const tracks = await input.getTracks();
    const known = tracks.filter((track) => track.isVideoTrack() || track.isAudioTrack());
    const nothing = known.length === 0 && (await input.getFormat()) !== QTFF;
    return { tracks: known, ...(nothing ? { broken: 'its list of tracks is missing' } : {}) };
  } catch (thrown) {
    if (isGone(thrown)) throw unreadable(thrown);
    return { tracks: [], broken: reasonOf(thrown) };
  }
}

async function factsOf(track: InputVideoTrack, counted: boolean): Promise<VideoFacts> {
  const width = await track.getCodedWidth();
  const height = await track.getCodedHeight();
  const { num, den } = await track.getPixelAspectRatio();
  const first = await track.getFirstTimestamp();
  const { packetCount, averagePacketRate } = await track.computePacketStats(counted ? undefined : RATE_FRAMES);
  const told = await track.getDurationFromMetadata();
  const endS = Math.max(first, told ?? (await track.computeDuration()));
  return {
    size: { width, height },
    rotation: await track.getRotation(),
    flip: await track.getFlip(),
    pixelAspect: num / den,
    colour: namedColours(await track.getColorSpace(), height),
    frames: counted ? packetCount : Math.max(packetCount, Math.round((endS - first) * averagePacketRate)),
    startS: first,
    endS,
  };
}

async function soundOf(track: InputAudioTrack, index: number, count: number): Promise<SoundTrack> {
  const codec = await track.getCodec();
  const which = count > 1 ? `sound track ${index + 1}` : 'sound';
  const name = await track.getName();
  return {
    name: `${which} (${codec ?? String((await track.getInternalCodecId()) ?? 'unknown codec')})`,
    codec,
    config: await track.getDecoderConfig(),
    canDecode: codec !== null && (await track.canDecode()),
    metadata: {
      languageCode: await track.getLanguageCode(),
      disposition: await track.getDisposition(),
      ...(name ? { name } : {}),
    },
    packets: () => new EncodedPacketSink(track).packets(),
    samples: () => new AudioSampleSink(track).samples(),
  };
}

/** Time of the first keyframe after `afterS`, or `null`. */
async function nextKeyframe(packets: EncodedPacketSink, afterS: number): Promise<number | null> {
  try {
    let packet = Number.isFinite(afterS) ? await packets.getKeyPacket(afterS) : await packets.getFirstPacket();
    packet = packet && (await packets.getNextKeyPacket(packet));
    return packet && packet.timestamp > afterS ? packet.timestamp : null;
  } catch {
    return null;
  }
}
