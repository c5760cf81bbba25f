import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { ffmpeg, hashesOf, newFolder, type Probed, picturesOf, probe, timesOf, upscale } from '../support/file-rig.js';
import { samplePsnr } from '../support/pictures.js';

const folder = newFolder();
const at = (name: string): string => join(folder, name);
const PICTURES = ['-f', 'lavfi', '-i', 'testsrc2=size=64x48:rate=25:duration=0.6'];
const TONE = ['-f', 'lavfi', '-i', 'sine=frequency=440:duration=0.6'];

beforeAll(() => {
  writeFileSync(at('s.srt'), '1\n00:00:00,000 --> 00:00:00,200\nHello\n\n2\n00:00:00,240 --> 00:00:00,400\nZoë\n');
  const chapter = (start: number, end: number, title: string): string =>
    `[CHAPTER]\nTIMEBASE=1/1000\nSTART=${start}\nEND=${end}\ntitle=${title}\n`;
  const told = `;FFMETADATA1\ntitle=A pan\nartist=Nobody\n${chapter(0, 200, 'One')}${chapter(200, 600, 'Two')}`;
  writeFileSync(at('told.txt'), told);
  writeFileSync(at('note.txt'), 'an attachment');
  const all = [...PICTURES, ...TONE, '-i', at('s.srt'), '-i', at('told.txt')];
  const maps = ['-map', '0', '-map', '1', '-map', '2', '-map_metadata', '3', '-map_chapters', '3'];
  const video = [
    '-c:v',
    'libx264',
    '-bf',
    '2',
    '-colorspace',
    'bt709',
    '-color_primaries',
    'bt709',
    '-color_trc',
    'bt709',
  ];
  const rest = ['-c:a', 'aac', '-metadata:s:a:0', 'language=deu', '-aspect', '2:1'];
  ffmpeg(...all, ...maps, ...video, ...rest, '-c:s', 'mov_text', at('all-0.mp4'));
  ffmpeg('-i', at('all-0.mp4'), '-c', 'copy', '-map', '0', '-metadata:s:v:0', 'rotate=90', at('all.mp4'));
  const attached = ['-attach', at('note.txt'), '-metadata:s:t', 'mimetype=text/plain'];
  ffmpeg(...all, ...maps, ...video, ...rest, '-c:s', 'srt', ...attached, at('all.mkv'));
});

const VIDEO_KEYS = [
  'sample_aspect_ratio',
  'color_range',
  'color_space',
  'color_transfer',
  'color_primaries',
  'pix_fmt',
  'r_frame_rate',
  'avg_frame_rate',
  'start_time',
];

function videoOf({ streams }: Probed): Record<string, unknown> {
  const video = streams.find(({ codec_type }) => codec_type === 'video')!;
  const turned = video.side_data_list?.find((data) => data['side_data_type'] === 'Display Matrix');
  return { ...Object.fromEntries(VIDEO_KEYS.map((key) => [key, video[key]])), rotation: turned?.['rotation'] };
}

describe.each(['all.mp4', 'all.mkv'])('%s', (name) => {
  const ending = name.slice(-4);
  let before: Probed;
  let after: Probed;

  beforeAll(async () => {
    const { code, stderr } = await upscale(folder, name, `out${ending}`);
    expect([code, stderr]).toEqual([0, expect.not.stringContaining('not kept')]);
    const what = ['-show_streams', '-show_chapters', '-show_format'];
    before = probe(at(name), ...what);
    after = probe(at(`out${ending}`), ...what);
  });

  it('keeps streams, their order, roles and languages', () => {
    const kinds = ({ streams }: Probed) =>
      streams.map(({ codec_type, codec_name, disposition, tags }) => ({
        codec_type,
        codec_name,
        disposition,
        language: tags?.['language'],
      }));
    expect(kinds(after)).toEqual(kinds(before));
    expect(kinds(before).length).toBeGreaterThan(2);
  });

  it('keeps rotation, colours, aspect and rates', () => {
    expect(videoOf(after)).toEqual(videoOf(before));
    expect(videoOf(before)['color_space']).toBe('bt709');
    expect(videoOf(before)['rotation']).toBe(ending === '.mp4' ? 90 : undefined);
    expect(videoOf(before)['sample_aspect_ratio']).toBe('3:2');
  });

  it('keeps chapters and metadata', () => {
    const chapters = ({ chapters: list }: Probed) =>
      list.map(({ start_time, end_time, tags }) => [start_time, end_time, tags?.title]);
    expect(chapters(after)).toEqual(chapters(before));
    expect(chapters(before).map(([, , title]) => title)).toEqual(['One', 'Two']);
    for (const key of ['title', 'artist']) {
      const tag = ({ format }: Probed) => format.tags?.[key] ?? format.tags?.[key.toUpperCase()];
      expect(tag(after)).toBe(tag(before));
      expect(tag(before)).toBeTruthy();
    }
  });

  it('copies sound and subtitles byte by byte, and moves nothing against anything', () => {
    for (const stream of ['a:0', 's:0']) {
      expect(hashesOf(at(`out${ending}`), stream)).toEqual(hashesOf(at(name), stream));
      expect(timesOf(at(`out${ending}`), stream)).toEqual(timesOf(at(name), stream));
    }
    expect(timesOf(at(`out${ending}`), 'v:0')).toEqual(timesOf(at(name), 'v:0'));
    expect(timesOf(at(name), 'v:0').length).toBe(15);
  });
});

it('an attachment is the same file', () => {
  // FFmpeg's program wants an output, too: it says so after it has written the attachment.
  spawnSync('ffmpeg', ['-v', 'quiet', '-y', '-dump_attachment:t', at('dumped.txt'), '-i', at('out.mkv')]);
  expect(readFileSync(at('dumped.txt'), 'utf8')).toBe('an attachment');
});

it('frames that do not come evenly keep their times, over segments too', async () => {
  const uneven = "select='not(mod(n,3))+eq(n,4)+gt(n,30)',setpts=PTS+0.0013/TB*mod(N\\,3)";
  const pictures = ['-f', 'lavfi', '-i', 'testsrc2=size=64x48:rate=50:duration=1', '-vf', uneven, '-vsync', 'vfr'];
  ffmpeg(
    ...pictures,
    '-video_track_timescale',
    '90000',
    '-enc_time_base',
    '1/90000',
    '-c:v',
    'libx264',
    '-bf',
    '3',
    at('vfr.mp4'),
  );
  const { code } = await upscale(folder, 'vfr.mp4', 'vfr-out.mp4', '--segment-frames', '7');
  expect(code).toBe(0);
  const times = timesOf(at('vfr.mp4'), 'v:0');
  expect(new Set(times.map((t, i) => Math.round(1e4 * (t - (times[i - 1] ?? 0))))).size).toBeGreaterThan(3);
  expect(timesOf(at('vfr-out.mp4'), 'v:0')).toEqual(times);
});

it('sound that begins before or after the picture stays where it is', async () => {
  for (const offset of ['-0.3', '0.17']) {
    ffmpeg(
      '-itsoffset',
      offset,
      '-i',
      at('all.mp4'),
      '-i',
      at('all.mp4'),
      '-map',
      '1:v',
      '-map',
      '0:a',
      '-c',
      'copy',
      at('late.mkv'),
    );
    expect((await upscale(folder, 'late.mkv', 'late-out.mkv', '--overwrite')).code).toBe(0);
    expect(timesOf(at('late-out.mkv'), 'v:0')).toEqual(timesOf(at('late.mkv'), 'v:0'));
    expect(timesOf(at('late-out.mkv'), 'a:0')).toEqual(timesOf(at('late.mkv'), 'a:0'));
  }
});

it('what a container does not take is said, and everything else is there', async () => {
  const { code, stderr } = await upscale(folder, 'all.mkv', 'less.mp4');
  expect(code).toBe(0);
  expect(stderr).toContain('all.mkv: Stream 2, subtitle (subrip), is not kept: less.mp4 cannot hold it.');
  expect(stderr).toContain('all.mkv: Stream 3, attachment');
  expect(hashesOf(at('less.mp4'), 'a:0')).toEqual(hashesOf(at('all.mkv'), 'a:0'));
});

it('rotation that a container cannot say is told', async () => {
  const { code, stderr } = await upscale(folder, 'all.mp4', 'turned.mkv');
  expect([code, stderr]).toEqual([0, expect.stringContaining('shown turned, and turned.mkv cannot say so')]);
});

it('a part has the pictures and the sound of that part, at its beginning', async () => {
  const { code } = await upscale(folder, 'all.mkv', 'part.mkv', '--from', '0.2', '--to', '0:00.44');
  expect(code).toBe(0);
  const wanted = timesOf(at('all.mkv'), 'v:0').filter((t) => t >= 0.2 && t < 0.44);
  expect(timesOf(at('part.mkv'), 'v:0').map((t) => t.toFixed(3))).toEqual(wanted.map((t) => (t - 0.2).toFixed(3)));
  expect(wanted.length).toBe(6);
  const sound = timesOf(at('all.mkv'), 'a:0').filter((t) => t >= 0.2 && t < 0.44);
  expect(timesOf(at('part.mkv'), 'a:0').map((t) => t.toFixed(3))).toEqual(sound.map((t) => (t - 0.2).toFixed(3)));
});

it('a part of a stream that begins decoding anywhere has all its pictures, and their pixels', async () => {
  const long = ['-f', 'lavfi', '-i', 'testsrc2=size=64x48:rate=25:duration=2'];
  ffmpeg(...long, '-c:v', 'libx264', '-bf', '3', '-g', '25', '-x264-params', 'open-gop=1:scenecut=0', at('open.ts'));
  ffmpeg(...long, '-c:v', 'mpeg2video', '-bf', '2', '-g', '40', '-q:v', '2', at('m2.ts'));
  ffmpeg('-i', at('open.ts'), '-c', 'copy', at('open.mp4'));
  for (const name of ['open.ts', 'm2.ts', 'open.mp4']) {
    const begin = timesOf(at(name), 'v:0')[0]!;
    expect((await upscale(folder, name, 'whole.mkv', '--overwrite', '--crf', '0')).code).toBe(0);
    const whole = picturesOf(at('whole.mkv'), 128 * 96 * 1.5);
    for (const [first, count] of [
      [2, 3],
      [27, 5],
      [47, 3],
    ] as const) {
      const [from, to] = [begin + (first - 0.5) / 25, begin + (first + count - 0.5) / 25].map((t) => t.toFixed(3));
      const flags = ['--from', from!, '--to', to!, '--overwrite', '--crf', '0'];
      const { code, stderr } = await upscale(folder, name, 'part.mkv', ...flags);
      expect([code, stderr], `${name} ${first}`).toEqual([0, expect.stringContaining(`${count} frames`)]);
      const part = picturesOf(at('part.mkv'), 128 * 96 * 1.5);
      expect(part.length).toBe(count);
      // The end of a part has no pictures after it to look at.
      for (const [i, picture] of part.entries()) {
        expect(samplePsnr(picture, whole[first + i]!), `${name} ${first + i}`).toBeGreaterThan(30);
        expect(samplePsnr(picture, whole[first + i]!)).toBeGreaterThan(samplePsnr(picture, whole[first + i - 1]!));
      }
    }
  }
  const { code, stderr } = await upscale(folder, 'm2.ts', 'after.mkv', '--from', '90');
  expect([code, stderr]).toEqual([1, expect.stringContaining('m2.ts holds no picture between --from and --to.')]);
});

it('a part has the chapters of that part, and a cover moves nothing', async () => {
  ffmpeg('-i', at('all-0.mp4'), '-map', '0', '-map', '-0:s', '-c', 'copy', at('chapters.mp4'));
  ffmpeg(...PICTURES, '-frames:v', '1', at('cover.png'));
  const cover = ['-map', '0', '-map', '1', '-disposition:v:1', 'attached_pic'];
  ffmpeg('-i', at('chapters.mp4'), '-i', at('cover.png'), ...cover, '-c', 'copy', at('covered.mp4'));
  expect((await upscale(folder, 'covered.mp4', 'cut.mp4', '--from', '0.16', '--to', '0.48')).code).toBe(0);
  const { chapters } = probe(at('cut.mp4'), '-show_chapters');
  expect(chapters.map(({ start_time, end_time, tags }) => [Number(start_time), Number(end_time), tags?.title])).toEqual(
    [
      [0, 0.04, 'One'],
      [0.04, 0.32, 'Two'],
    ],
  );
  const wanted = timesOf(at('covered.mp4'), 'v:0').filter((t) => t >= 0.16 && t < 0.48);
  expect(timesOf(at('cut.mp4'), 'v:0').map((t) => t.toFixed(3))).toEqual(wanted.map((t) => (t - 0.16).toFixed(3)));
  expect(hashesOf(at('cut.mp4'), 'v:1')).toEqual(hashesOf(at('covered.mp4'), 'v:1'));
});

it('subtitles of one time stay at one time', async () => {
  const event = (layer: number, start: string): string => `Dialogue: ${layer},0:00:00.${start},0:00:00.50,A,,0,0,0,,x`;
  const events = [event(0, '10'), event(1, '10'), event(2, '10'), event(0, '20')];
  const styles = '[V4+ Styles]\nFormat: Name, Fontname, Fontsize\nStyle: A,Arial,20\n';
  const format = '[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n';
  writeFileSync(at('s.ass'), `[Script Info]\nScriptType: v4.00+\n${styles}${format}${events.join('\n')}\n`);
  ffmpeg(...PICTURES, '-i', at('s.ass'), '-map', '0', '-map', '1', '-c:v', 'libx264', '-c:s', 'copy', at('ass.mkv'));
  expect((await upscale(folder, 'ass.mkv', 'ass-out.mkv')).code).toBe(0);
  expect(timesOf(at('ass-out.mkv'), 's:0')).toEqual([0.1, 0.1, 0.1, 0.2]);
});
