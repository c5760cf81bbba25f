import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UpscaleError } from '../../src/frame/errors.js';
import type { PlanarFormat, PlanarFrame } from '../../src/frame/frame.js';
import { cornerOf, tightLayout } from '../../src/frame/planes.js';
import type { CapableBackend } from '../../src/server/codecs/capabilities.js';
import type { CodedPicture, EncoderSettings, VideoCodec, VideoDecoder } from '../../src/server/codecs/codec.js';
import { type CodecLibrary, loadCodecs } from '../../src/server/codecs/load.js';
import { toI420 } from '../../src/server/codecs/to-i420.js';
import { photoFrame } from '../support/pictures.js';
import {
  BT601,
  camera,
  decodeAll,
  encodeAll,
  INTERVAL_US,
  panning,
  patchError,
  patches,
  psnr,
  scattered,
  seeded,
} from './codec-pictures.js';
import { av1Pictures, superframe, vp9Pictures } from './codec-streams.js';

const LIBRARIES: readonly CodecLibrary[] = ['node-av', 'webcodecs'];
const CODECS = ['vp8', 'h264'] as const;
const SMALL = { width: 320, height: 180 };
const SETTINGS: EncoderSettings = { codec: 'vp8', size: SMALL, bitrate: 600_000, frameRate: 30 };

/** What a promise was rejected with. */
async function failure(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (thrown) {
    return thrown;
  }
  throw new Error('Nothing was thrown.');
}

function unsupported(thrown: unknown): boolean {
  return thrown instanceof UpscaleError && thrown.code === 'frame-unsupported' && thrown.recoverable;
}

/** Frames with the frames they were made from, by their timestamps. */
function pairs(decoded: readonly PlanarFrame[], sources: readonly PlanarFrame[]): [PlanarFrame, PlanarFrame][] {
  return decoded.map((frame) => [frame, sources.find((source) => source.timestampUs === frame.timestampUs)!]);
}

function worstPsnr(decoded: readonly PlanarFrame[], sources: readonly PlanarFrame[]): number {
  return Math.min(...pairs(decoded, sources).map(([a, b]) => psnr(a, b)));
}

describe.each(LIBRARIES)('codecs by %s', (library) => {
  let backend: CapableBackend;
  const open: { dispose(): void }[] = [];
  const kept = <T extends { dispose(): void }>(it: T): T => {
    open.push(it);
    return it;
  };
  const encoder = async (settings: Partial<EncoderSettings> = {}) =>
    kept(await backend.createEncoder({ ...SETTINGS, ...settings }));
  const decoder = async (codec: VideoCodec): Promise<VideoDecoder> => kept(await backend.createDecoder(codec));
  const heldBack = (codec: VideoCodec): number => backend.capabilities.heldBack[codec] ?? 0;
  /** What a decoder makes of one picture: followed by enough others that it comes out. */
  const decodeOne = async (on: VideoDecoder, codec: VideoCodec, picture: CodedPicture): Promise<PlanarFrame> => {
    const frames: PlanarFrame[] = [];
    for (let i = 0; i <= heldBack(codec); i++) frames.push(...(await on.decode(picture)));
    return frames[0]!;
  };

  beforeAll(async () => {
    backend = await loadCodecs(library);
  });
  afterAll(() => {
    for (const each of open) each.dispose();
  });

  describe.each(CODECS)('%s', (codec) => {
    it('brings real pictures through, one in, one out, with their timestamps', async () => {
      // Floors, in dB: 5 below what node-av reaches, to fail for a wrong matrix, plane, row or order.
      for (const [frames, size, bitrate, floor] of [
        [panning(SMALL, 30), SMALL, 600_000, 31],
        [camera(24), { width: 96, height: 64 }, 300_000, 30],
      ] as const) {
        const pictures = await encodeAll(await encoder({ codec, size, bitrate }), frames);
        expect(pictures[0]!.key).toBe(true);
        expect(pictures.map(({ timestampUs }) => timestampUs)).toEqual(frames.map(({ timestampUs }) => timestampUs));
        const on = await decoder(codec);
        const decoded: PlanarFrame[] = [];
        for (const [i, picture] of pictures.entries()) {
          const shown = await on.decode(picture);
          expect(shown).toHaveLength(i < heldBack(codec) ? 0 : 1);
          decoded.push(...shown);
        }
        expect(decoded.map(({ timestampUs }) => timestampUs)).toEqual(
          frames.slice(0, frames.length - heldBack(codec)).map(({ timestampUs }) => timestampUs),
        );
        expect(decoded[0]).toMatchObject({ format: 'I420', ...size, colourSpace: BT601 });
        expect(worstPsnr(decoded, frames)).toBeGreaterThan(floor);
      }
    });

    it('keeps saturated colours, whatever matrix and range they come in', async () => {
      // Levels: what four roundings to 8 bits and a good quantiser leave.
      const flat = patches();
      const full = { matrix: 'smpte170m', fullRange: true } as const;
      const forms = [
        flat,
        toI420(flat, BT601),
        toI420(flat, full),
        toI420(flat, { matrix: 'bt709', fullRange: false }),
        toI420(flat, { matrix: 'bt2020-ncl', fullRange: false }),
      ];
      for (const form of forms) {
        const on = await encoder({ codec, size: flat, bitrate: 4_000_000 });
        const [, , last] = await encodeAll(
          on,
          [form, { ...form, timestampUs: 1e5 }, { ...form, timestampUs: 2e5 }],
          [2],
        );
        const shown = await decodeOne(await decoder(codec), codec, last!);
        expect(patchError(shown), `${form.format} ${JSON.stringify(form.colourSpace)}`).toBeLessThan(8);
      }
      // Frames of another matrix in mid-stream are converted to what the stream's header says.
      const on = await encoder({ codec, size: flat, bitrate: 4_000_000 });
      const mixed = await encodeAll(on, [forms[3]!, { ...forms[1]!, timestampUs: 1e5 }], [0, 1]);
      expect(patchError(await decodeOne(await decoder(codec), codec, mixed[1]!))).toBeLessThan(8);
    });

    it.each(['I420', 'NV12', 'RGBA', 'RGBX', 'BGRA', 'BGRX'] satisfies PlanarFormat[])(
      'takes %s of odd size with odd strides',
      async (format) => {
        const size = { width: 97, height: 63 };
        const source = photoFrame(size.width, size.height, 300, 200, 7);
        const on = await encoder({ codec, size, bitrate: 2_000_000 });
        const [picture] = await encodeAll(on, [scattered(source, format)]);
        const shown = await decodeOne(await decoder(codec), codec, picture!);
        // H.264 has even sides only.
        const even = codec === 'h264' || !backend.capabilities.oddSizes;
        const coded = even ? { width: 96, height: 62 } : size;
        expect(shown).toMatchObject({ ...coded, timestampUs: 7 });
        expect(psnr(shown, cornerOf(toI420(source, BT601), coded))).toBeGreaterThan(29);
      },
    );

    it('makes keyframes where they are asked for, and a decoder can begin there', async () => {
      const frames = panning(SMALL, 24);
      const pictures = await encodeAll(await encoder({ codec }), frames, [13]);
      const keys = pictures.flatMap(({ key }, i) => (key ? [i] : []));
      expect(keys).toContain(13);
      if (backend.capabilities.keyframesOnDemandOnly) expect(keys).toEqual([0, 13]);
      const fresh = await decoder(codec);
      expect(unsupported(await failure(fresh.decode(pictures[12]!)))).toBe(true);
      const decoded = await decodeAll(fresh, pictures.slice(13));
      expect(decoded[0]!.timestampUs).toBe(frames[13]!.timestampUs);
      expect(decoded).toHaveLength(11 - heldBack(codec));
      expect(worstPsnr(decoded, frames)).toBeGreaterThan(30);
    });

    it('takes a new bitrate', async () => {
      const frames = panning(SMALL, 240);
      const on = await encoder({ codec, bitrate: 500_000 });
      const rates: number[] = [];
      let keys = 0;
      for (const [second, rate] of [500_000, 500_000, 150_000, 150_000, 400_000, 400_000, 80_000, 80_000].entries()) {
        on.setBitrate(rate);
        const pictures = await encodeAll(on, frames.slice(second * 30, second * 30 + 30));
        if (second > 0) keys += pictures.filter(({ key }) => key).length;
        rates.push((8 * pictures.reduce((sum, { data }) => sum + data.length, 0)) / rate);
      }
      // Over two seconds, against what was asked for. Below is what a picture does not need.
      for (const at of [0, 2, 4, 6]) {
        const share = (rates[at]! + rates[at + 1]!) / 2;
        expect(share, `shares ${rates.map((rate) => rate.toFixed(2))}`).toBeGreaterThan(0.6);
        expect(share, `shares ${rates.map((rate) => rate.toFixed(2))}`).toBeLessThan(1.4);
      }
      // node-av's VP8 is opened again only for the last rate, which is less than a quarter of the first.
      if (!backend.capabilities.bitrateCostsKeyframe) expect(keys).toBe(codec === 'vp8' ? 1 : 0);
    });

    it('goes on where the size changes', async () => {
      const sizes = [SMALL, { width: 200, height: 300 }, { width: 640, height: 360 }, { width: 18, height: 14 }];
      const on = await decoder(codec);
      for (const [i, size] of sizes.entries()) {
        const frames = panning(size, 6).map((frame) => ({ ...frame, timestampUs: frame.timestampUs + i * 1e6 }));
        const pictures = await encodeAll(await encoder({ codec, size, bitrate: 2_000_000 }), frames);
        const decoded = (await decodeAll(on, pictures)).filter(({ timestampUs }) => timestampUs >= i * 1e6);
        expect(decoded.length).toBeGreaterThanOrEqual(6 - heldBack(codec));
        for (const frame of decoded) expect(frame).toMatchObject(size);
        expect(worstPsnr(decoded, frames)).toBeGreaterThan(26);
      }
    });

    it('survives garbage, truncated and empty pictures, and goes on with the next keyframe', async () => {
      const random = seeded(7);
      const frames = panning(SMALL, 12);
      const [key, ...deltas] = (await encodeAll(await encoder({ codec }), frames)) as [CodedPicture, ...CodedPicture[]];
      const noise = (length: number): Uint8Array => new Uint8Array(length).map(() => random() * 256);
      const bad: CodedPicture[] = [
        { ...key, data: new Uint8Array() },
        { ...key, data: noise(1) },
        { ...key, data: noise(900) },
        { ...key, data: key.data.subarray(0, 3) },
        { ...key, data: key.data.subarray(0, 12) },
        { ...deltas[1]!, data: noise(200) },
        { ...deltas[1]!, data: new Uint8Array(200) },
        { ...deltas[1]!, data: deltas[1]!.data.subarray(0, 2) },
        { ...key, codec: codec === 'vp8' ? 'h264' : 'vp8' },
        { ...key, timestampUs: Number.NaN },
      ];
      const on = await decoder(codec);
      for (const [i, picture] of bad.entries()) {
        await on.decode(key);
        const outcome = await on.decode(picture).catch((thrown: unknown) => thrown);
        if (!Array.isArray(outcome)) {
          expect(unsupported(outcome), `${i}: ${outcome}`).toBe(true);
          expect(unsupported(await failure(on.decode(deltas[0]!))), 'deltas need a keyframe first').toBe(true);
        }
        const times = frames.map((frame) => ({ ...frame, timestampUs: frame.timestampUs + (i + 1) * 1e6 }));
        const again = [key, ...deltas].map((one) => ({ ...one, timestampUs: one.timestampUs + (i + 1) * 1e6 }));
        const decoded = (await decodeAll(on, again)).filter(({ timestampUs }) => timestampUs >= (i + 1) * 1e6);
        expect(decoded.length).toBeGreaterThanOrEqual(12 - heldBack(codec));
        expect(worstPsnr(decoded, times)).toBeGreaterThan(31);
      }
    });

    it('is understood by the other library', async () => {
      const other = await loadCodecs(LIBRARIES.find((name) => name !== library));
      const frames = panning(SMALL, 12);
      const pictures = await encodeAll(await encoder({ codec }), frames, [5]);
      const decoded = await decodeAll(kept(await other.createDecoder(codec)), pictures);
      expect(decoded.length).toBeGreaterThanOrEqual(10);
      expect(worstPsnr(decoded, frames)).toBeGreaterThan(31);
    });

    it('can be disposed of twice, and is of no use then', async () => {
      const [frame] = panning(SMALL, 1) as [PlanarFrame];
      const one = await encoder({ codec });
      const two = await decoder(codec);
      const [picture] = await encodeAll(one, [frame]);
      await two.decode(picture!);
      for (const each of [one, two, one, two]) each.dispose();
      expect(await failure(one.encode(frame, false))).toMatchObject({ code: 'backend-unavailable' });
      expect(await failure(two.decode(picture!))).toMatchObject({ code: 'backend-unavailable' });
    });
  });

  it('decodes VP9 and AV1', async () => {
    const frames = panning(SMALL, 12);
    for (const [codec, pictures] of [
      ['vp9', vp9Pictures(frames)],
      ['av1', av1Pictures(frames)],
    ] as const) {
      expect(backend.decodes).toContain(codec);
      const decoded = await decodeAll(await decoder(codec), pictures);
      expect(decoded.map(({ timestampUs }) => timestampUs)).toEqual(frames.map(({ timestampUs }) => timestampUs));
      expect(worstPsnr(decoded, frames)).toBeGreaterThan(30);
    }
  });

  it('makes no more than one frame of one picture', async () => {
    const pictures = vp9Pictures(panning(SMALL, 12));
    const on = await decoder('vp9');
    // Where the package decodes on its own threads the surplus may come with the next picture.
    const outcomes: (PlanarFrame[] | unknown)[] = [];
    for (const picture of [superframe(pictures.slice(0, 3)), pictures[3]!]) {
      outcomes.push(await on.decode(picture).catch((thrown: unknown) => thrown));
    }
    expect(outcomes.filter((outcome) => Array.isArray(outcome) && outcome.length > 1)).toEqual([]);
    expect(outcomes.some(unsupported)).toBe(true);
    expect(await decodeAll(on, pictures)).toHaveLength(12);
  });

  it('refuses pictures that are too large', async () => {
    const small = await loadCodecs(library, { maxPixels: 200 * 100 });
    const pictures = await encodeAll(await encoder(), panning(SMALL, 2));
    const on = kept(await small.createDecoder('vp8'));
    expect(unsupported(await failure(on.decode(pictures[0]!)))).toBe(true);
    const size = { width: 160, height: 96 };
    const fitting = await encodeAll(await encoder({ size }), panning(size, 2));
    expect(await decodeAll(on, fitting)).toHaveLength(2);
    await expect(small.createEncoder(SETTINGS)).rejects.toThrow(TypeError);
    expect(() => small.createScaler().scale(panning(size, 1)[0]!, SMALL)).toThrow(TypeError);
  });

  it('refuses settings and frames that are wrong', async () => {
    for (const wrong of [{ bitrate: Number.NaN }, { frameRate: 0 }, { size: { width: 0, height: 5 } }]) {
      await expect(backend.createEncoder({ ...SETTINGS, ...wrong })).rejects.toThrow(TypeError);
    }
    const on = await encoder();
    expect(() => on.setBitrate(-1)).toThrow(TypeError);
    const [frame] = panning(SMALL, 1) as [PlanarFrame];
    expect(unsupported(await failure(on.encode(camera(1)[0]!, false)))).toBe(true);
    expect(unsupported(await failure(on.encode({ ...frame, data: frame.data.subarray(9) }, false)))).toBe(true);
    await expect(on.encode(frame, false)).resolves.toMatchObject({ key: true });
  });

  it('serves many streams in turn', async () => {
    const frames = panning(SMALL, 8);
    const streams = await Promise.all(
      Array.from({ length: 6 }, async (_, i) => {
        const codec = CODECS[i % 2]!;
        return {
          codec,
          encoder: await encoder({ codec }),
          decoder: await decoder(codec),
          decoded: [] as PlanarFrame[],
        };
      }),
    );
    for (const frame of frames) {
      await Promise.all(
        streams.map(async (stream) => {
          const picture = await stream.encoder.encode(frame, false);
          stream.decoded.push(...(await stream.decoder.decode(picture!)));
        }),
      );
    }
    for (const { codec, decoded } of streams) {
      expect(decoded).toHaveLength(8 - heldBack(codec));
      expect(worstPsnr(decoded, frames)).toBeGreaterThan(31);
    }
  });

  describe('scaler', () => {
    it.each(['I420', 'NV12', 'RGBX', 'BGRA'] satisfies PlanarFormat[])(
      'doubles %s and halves it again',
      async (format) => {
        const scaler = kept(backend.createScaler());
        const source = photoFrame(160, 90, 300, 200, 1234.5);
        const large = scaler.scale({ ...scattered(source, format), durationUs: 9 }, SMALL);
        expect(large).toMatchObject({
          format: 'I420',
          ...SMALL,
          colourSpace: BT601,
          timestampUs: 1234.5,
          durationUs: 9,
        });
        // Cubic interpolation keeps what was there.
        expect(psnr(scaler.scale(large, source), toI420(source, BT601))).toBeGreaterThan(33);
      },
    );

    it('keeps the shape, with black bars, and the colours as they are', () => {
      const scaler = kept(backend.createScaler());
      for (const colourSpace of [BT601, { matrix: 'bt709', fullRange: true }] as const) {
        const square = toI420(photoFrame(100, 100, 300, 200), colourSpace);
        const wide = scaler.scale(square, SMALL);
        expect(wide).toMatchObject({ ...SMALL, colourSpace });
        const inside: PlanarFrame = {
          ...wide,
          width: 180,
          planes: wide.planes.map((plane, i) => ({ ...plane, offset: plane.offset + (i === 0 ? 70 : 35) })),
        };
        const alone = scaler.scale(square, { width: 180, height: 180 });
        expect(psnr(inside, alone)).toBeGreaterThan(60);
        const black = colourSpace.fullRange ? 0 : 16;
        for (const x of [0, 69, 250, 319]) {
          expect(wide.data[90 * 320 + x]).toBe(black);
          expect(wide.data[wide.planes[1]!.offset + 45 * 160 + (x >> 1)]).toBe(128);
        }
        expect(patchError(scaler.scale(scaler.scale(patches(), { width: 256, height: 128 }), patches()))).toBeLessThan(
          5,
        );
      }
    });

    it('copies what has its size already', () => {
      const [frame] = panning(SMALL, 1) as [PlanarFrame];
      const scaler = kept(backend.createScaler());
      const same = scaler.scale(frame, SMALL);
      expect(same.data).not.toBe(frame.data);
      expect(same.data).toEqual(frame.data);
      expect(same.planes).toEqual(tightLayout('I420', SMALL));
      scaler.dispose();
      scaler.dispose();
    });
  });
});

describe('timestamps that jump', () => {
  it('are kept, and cost neither a stall nor a burst', async () => {
    const backend = await loadCodecs();
    for (const codec of CODECS) {
      const on = await backend.createEncoder({ ...SETTINGS, codec });
      const jumps = [0, 1, 2, 3_600_000, 3_600_001, 5, 6, 6, -1e9].map((ms) => ms * 1000);
      const frames = panning(SMALL, jumps.length).map((frame, i) => ({ ...frame, timestampUs: jumps[i]! }));
      const pictures = await encodeAll(on, frames);
      expect(pictures.map(({ timestampUs }) => timestampUs)).toEqual(jumps);
      const decoder = await backend.createDecoder(codec);
      const decoded = await decodeAll(decoder, pictures);
      expect(decoded.map(({ timestampUs }) => timestampUs)).toEqual(jumps);
      for (const [i, frame] of decoded.entries()) expect(psnr(frame, frames[i]!)).toBeGreaterThan(28);
      expect(Math.max(...pictures.map(({ data }) => data.length))).toBeLessThan((600_000 / 8) * 0.6);
      on.dispose();
      decoder.dispose();
    }
    expect(INTERVAL_US).not.toBe(Math.round(INTERVAL_US));
  });
});
