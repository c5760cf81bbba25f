import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { FileUpscaleOptions } from '../../src/media/file/options.js';
import type { Outcome, Received } from '../pages/file.js';
import { mediaFiles } from '../support/media-files.js';
import { testPages } from '../support/pages.js';

const pages = testPages();
const files = mediaFiles();

const CORE = { ffmpegCore: '/node_modules/@ffmpeg/core/dist/esm/' };
const PICTURE = ['-f', 'lavfi', '-i', 'testsrc2=s=64x48:r=10:d=1.2'];
const H264 = ['-c:v', 'libx264', '-pix_fmt', 'yuv420p'];
const FRAMES = 12;

/** Text, its beginning and its end in milliseconds. */
type Cue = readonly [text: string, startMs: number, endMs: number];

const GERMAN: readonly Cue[] = [
  ['Grüß <i>Gott</i>.', 33, 251],
  ['Zwei\nZeilen --> hier', 400, 777],
  ['Darüber', 600, 1100],
];
const FRENCH: readonly Cue[] = [
  ['Ça va &amp; bien', 100, 499],
  ['映画', 900, 1499],
];

function srt(name: string, cues: readonly Cue[]): string {
  const time = (ms: number) => new Date(ms).toISOString().slice(11, 23).replace('.', ',');
  const blocks = cues.map(([text, from, to], i) => `${i + 1}\n${time(from)} --> ${time(to)}\n${text}\n\n`);
  return files.write(name, Buffer.from(blocks.join('')));
}

/** What is in the packets of a file's subtitle track. */
function packets(name: string, stream: number): { data: Buffer; startMs: number; endMs: number }[] {
  const show = ['-select_streams', String(stream), '-show_data', '-show_entries', 'packet=pts_time,duration_time,data'];
  const json = execFileSync('ffprobe', ['-v', 'error', ...show, '-of', 'json', files.path(name)], { encoding: 'utf8' });
  const { packets: all } = JSON.parse(json) as {
    packets: { pts_time: string; duration_time?: string; data: string }[];
  };
  const whole = Number(files.streams(name)[stream]?.['duration']);
  return all.map(({ pts_time, duration_time, data }, i) => {
    const hex = data.split('\n').map((line) => line.slice(10, 50).replaceAll(' ', ''));
    const startMs = Number(pts_time) * 1000;
    // A fragmented MP4 says when the next one begins, and how long all of it is.
    const next = Number(all[i + 1]?.pts_time ?? whole) * 1000;
    const endMs = duration_time === undefined ? next : startMs + Number(duration_time) * 1000;
    return { data: Buffer.from(hex.join(''), 'hex'), startMs, endMs };
  });
}

/** The boxes of MP4 that are in some bytes. */
function boxes(data: Buffer): { type: string; body: Buffer }[] {
  const found: { type: string; body: Buffer }[] = [];
  for (let at = 0; at < data.length; at += data.readUInt32BE(at)) {
    found.push({
      type: data.toString('latin1', at + 4, at + 8),
      body: data.subarray(at + 8, at + data.readUInt32BE(at)),
    });
  }
  return found;
}

/** The cues of WebVTT in Matroska. */
function matroskaCues(name: string, stream: number): Cue[] {
  return packets(name, stream).map(({ data, startMs, endMs }) => [data.toString(), startMs, endMs]);
}

/** The cues of WebVTT in MP4, which has a sample for each moment that differs (ISO/IEC 14496-30). */
function mp4Cues(name: string, stream: number): Cue[] {
  const cues: [string, number, number][] = [];
  for (const { data, startMs, endMs } of packets(name, stream)) {
    for (const { type, body } of boxes(data)) {
      expect(['vttc', 'vtte']).toContain(type);
      if (type === 'vtte') continue;
      const text = boxes(body)
        .find((box) => box.type === 'payl')
        ?.body.toString() as string;
      const before = cues.find((cue) => cue[0] === text && Math.abs(cue[2] - startMs) < 0.01);
      if (before) before[2] = endMs;
      else cues.push([text, startMs, endMs]);
    }
  }
  return cues;
}

/** What WebVTT makes of a text. */
const escaped = (text: string): string => text.replaceAll('-->', '--&gt;');

function expectCues(found: readonly Cue[], wanted: readonly Cue[], shiftMs = 0): void {
  expect(found.map(([text]) => text)).toEqual(wanted.map(([text]) => escaped(text)));
  const off = found.flatMap(([, from, to], i) => [
    Math.abs(from - (wanted[i]?.[1] as number) - shiftMs),
    Math.abs(to - (wanted[i]?.[2] as number) - shiftMs),
  ]);
  expect(Math.max(...off)).toBeLessThanOrEqual(1.001);
}

async function upscale(name: string, options: FileUpscaleOptions = { assets: CORE }) {
  const source = readFileSync(files.path(name)).toString('base64');
  const outcome = await pages.run<Outcome>('file', 'upscale', source, name, options);
  expect(outcome.error).toBeNull();
  expect(outcome.file?.frames).toBe(FRAMES);
  expect(outcome.left).toEqual([]);
  const out = `out-${name}.${outcome.file?.container}`;
  files.write(out, Buffer.from(outcome.bytes, 'base64'));
  expect(files.each(out, 'packet', 'v:0', 'pts_time')).toHaveLength(FRAMES);
  return { out, notices: outcome.file?.notices };
}

/** A Matroska file with subtitles in two languages as SubRip, and once more as ASS. */
function makeTitled(name: string, ...more: string[]): void {
  srt('german.srt', GERMAN);
  srt('french.srt', FRENCH);
  files.make(
    ...[...PICTURE, '-i', 'german.srt', '-i', 'french.srt', '-map', '0', '-map', '1', '-map', '2', '-map', '2'],
    ...[...H264, '-c:s:0', 'srt', '-c:s:1', 'srt', '-c:s:2', 'ass', '-metadata:s:s:0', 'language=deu'],
    ...['-metadata:s:s:1', 'language=fra', '-metadata:s:s:1', 'title=Pour les sourds', '-metadata:s:s:2', 'language=x'],
    ...['-disposition:s:0', '0', '-disposition:s:1', 'default+hearing_impaired', '-disposition:s:2', 'forced'],
    ...[...more, name],
  );
}

const ASS = 'Subtitle track 3 (ass) is kept as WebVTT: its styles and positions are not.';

describe('subtitles, in Chromium', () => {
  it('of Matroska are kept in Matroska: texts, times, languages, names, what they are for; and of that once more', async () => {
    makeTitled('titled.mkv');
    const first = await upscale('titled.mkv', { assets: CORE, codec: 'vp9' });
    expect(first.notices).toEqual([ASS]);
    const second = await upscale(first.out);
    expect(second.notices).toEqual([]);
    for (const { out } of [first, second]) {
      const titles = files.streams(out).slice(1);
      expect(titles.map(({ codec_type }) => codec_type)).toEqual(['subtitle', 'subtitle', 'subtitle']);
      expect(titles[0]).toMatchObject({ tags: { language: 'deu' }, disposition: { default: 0, forced: 0 } });
      expect(titles[1]).toMatchObject({ tags: { language: 'fra', title: 'Pour les sourds' } });
      expect(titles[1]).toMatchObject({ disposition: { default: 1, hearing_impaired: 1, forced: 0 } });
      expect(titles[2]).toMatchObject({ disposition: { default: 0, forced: 1 } });
      expectCues(matroskaCues(out, 1), GERMAN);
      expectCues(matroskaCues(out, 2), FRENCH);
      // ASS has hundredths of a second.
      const rounded = FRENCH.map(
        ([text, from, to]): Cue => [text, Math.round(from / 10) * 10, Math.round(to / 10) * 10],
      );
      expectCues(matroskaCues(out, 3), rounded);
    }
  });

  it('of MP4 are kept in MP4, fragmented or not, and in WebM; a MOV does not take them', async () => {
    srt('french.srt', FRENCH);
    files.make(
      ...[...PICTURE, '-i', 'french.srt', '-map', '0', '-map', '1', ...H264, '-c:s', 'mov_text'],
      ...['-metadata:s:s:0', 'language=fra', 'titled.mp4'],
    );
    const whole = await upscale('titled.mp4');
    expect(whole.notices).toEqual([]);
    const source = readFileSync(files.path('titled.mp4')).toString('base64');
    const options = { assets: CORE };
    const { bytes, error } = await pages.run<Received>('file', 'intoStream', source, 'titled.mp4', null, options);
    expect(error).toBe('');
    files.write('fragmented.mp4', Buffer.from(bytes, 'base64'));
    for (const name of [whole.out, 'fragmented.mp4']) {
      expect(files.streams(name)[1]).toMatchObject({ codec_tag_string: 'wvtt', tags: { language: 'fra' } });
      expectCues(mp4Cues(name, 1), FRENCH);
    }
    const webm = await upscale('titled.mp4', { assets: CORE, container: 'webm' });
    expect(webm.notices).toEqual([]);
    expectCues(matroskaCues(webm.out, 1), FRENCH);
    const mov = await upscale('titled.mp4', { assets: CORE, container: 'mov' });
    expect(mov.notices).toEqual(['The subtitles of the file are not in the output: a .mov file does not take them.']);
    // What ffmpeg cannot read is told.
    expect((await upscale(whole.out)).notices).toEqual([
      'Subtitle track 1 (wvtt) is not in the output: ffmpeg.wasm cannot read it.',
    ]);
  });

  it('of WebM, and of Matroska in MP4 with texts that overlap', async () => {
    srt('french.srt', FRENCH);
    files.make(
      ...[...PICTURE, '-i', 'french.srt', '-map', '0', '-map', '1', '-c:v', 'libvpx-vp9', '-c:s', 'webvtt'],
      ...['-metadata:s:s:0', 'language=fra', 'titled.webm'],
    );
    const webm = await upscale('titled.webm');
    expect(webm.notices).toEqual([]);
    expect(files.streams(webm.out)[1]).toMatchObject({ tags: { language: 'fra' } });
    expectCues(matroskaCues(webm.out, 1), FRENCH);
    makeTitled('titled.mkv');
    const mp4 = await upscale('titled.mkv', { assets: CORE, container: 'mp4' });
    expect(mp4.notices).toEqual([ASS]);
    expectCues(mp4Cues(mp4.out, 1), GERMAN);
    expectCues(mp4Cues(mp4.out, 2), FRENCH);
  });

  it('of a file whose video ffmpeg.wasm decodes, with what else is lost', async () => {
    srt('german.srt', GERMAN);
    files.write('letters.ttf', Buffer.alloc(100, 1));
    files.write('parts.txt', Buffer.from(';FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=500\ntitle=One\n'));
    files.make(
      ...[...PICTURE, '-i', 'german.srt', '-i', 'parts.txt', '-map', '0', '-map', '1', '-map_chapters', '2'],
      ...['-c:v', 'mpeg4', '-c:s', 'srt', '-attach', 'letters.ttf', '-metadata:s:t', 'mimetype=font/ttf', 'old.mkv'],
    );
    const { out, notices } = await upscale('old.mkv');
    expect(notices).toEqual([
      'The chapters of the file are not in the output.',
      'The files that are attached to the source, as fonts are, are not in the output.',
    ]);
    expectCues(mp4Cues(out, 1), GERMAN);
  });

  it('are where they were to the picture, where a file that begins before its zero is moved', async () => {
    srt('german.srt', GERMAN);
    files.make(
      ...[...PICTURE, '-i', 'german.srt', '-map', '0', '-map', '1', ...H264, '-bf', '0', '-c:s', 'mov_text'],
      ...['-g', '20', 'long.mp4'],
    );
    // Frames before the cut stay in the file, hidden by an edit list.
    files.make('-ss', '0.3', '-i', 'long.mp4', '-map', '0', '-c', 'copy', 'early.mp4');
    const text = execFileSync('ffmpeg', ['-v', 'error', '-copyts', '-i', files.path('early.mp4'), '-f', 'srt', '-'], {
      encoding: 'utf8',
    });
    const wanted = [
      ...text.replaceAll('\r', '').matchAll(/00:00:(\d\d),(\d{3}) --> 00:00:(\d\d),(\d{3})\n((?:.+\n)+)/g),
    ].map(
      ([, s = '', ms = '', toS = '', toMs = '', lines = '']): Cue => [lines.trim(), Number(s + ms), Number(toS + toMs)],
    );
    expect(wanted.length).toBeGreaterThan(1);
    const { out, notices } = await upscale('early.mp4', { assets: CORE, container: 'mkv' });
    expect(notices?.join()).toMatch(/^The file begins \d+ ms before its zero; all of it is moved by that\.$/);
    const shiftMs = Number(/\d+/.exec(notices?.[0] ?? '')?.[0]);
    expect(shiftMs).toBeGreaterThan(100);
    expectCues(matroskaCues(out, 1), wanted, shiftMs);
  });

  it('that are pictures are told, and the others kept', async () => {
    srt('french.srt', FRENCH);
    const segment = (type: number, data: number[]) => {
      const head = Buffer.alloc(13);
      head.write('PG');
      head.writeUInt32BE(9000, 2);
      head.writeUInt8(type, 10);
      head.writeUInt16BE(data.length, 11);
      return Buffer.concat([head, Buffer.from(data)]);
    };
    // A composition of nothing, and its end.
    files.write('blank.sup', Buffer.concat([segment(0x16, [0, 64, 0, 48, 16, 0, 1, 128, 0, 0, 0]), segment(0x80, [])]));
    files.make(
      ...[...PICTURE, '-i', 'blank.sup', '-i', 'french.srt', '-map', '0', '-map', '1', '-map', '2', ...H264],
      ...['-c:s:0', 'copy', '-c:s:1', 'srt', 'mixed.mkv'],
    );
    const { out, notices } = await upscale('mixed.mkv');
    expect(notices).toEqual([
      'Subtitle track 1 (hdmv_pgs_subtitle) is not in the output: it is made of pictures, and only text is kept.',
    ]);
    expect(files.streams(out)).toHaveLength(2);
    expectCues(matroskaCues(out, 1), FRENCH);
  });

  it('one that cannot be read costs the others nothing', async () => {
    srt('french.srt', FRENCH);
    const two = [...PICTURE, '-i', 'french.srt', '-i', 'french.srt', '-map', '0', '-map', '1', '-map', '2', ...H264];
    const made = files.make(...two, '-c:s:0', 'webvtt', '-c:s:1', 'srt', 'two.mkv');
    // Blu-ray's text, by a name that ffmpeg knows without having a decoder.
    const at = made.indexOf('D_WEBVTT/SUBTITLES');
    made.write('S_HDMV/TEXTST'.padEnd(18, '\0'), at, 'latin1');
    files.write('two.mkv', made);
    const { out, notices } = await upscale('two.mkv');
    expect(notices).toEqual([
      'Subtitle track 1 (hdmv_text_subtitle) is not in the output: ffmpeg.wasm cannot read it.',
    ]);
    expectCues(matroskaCues(out, 1), FRENCH);
    files.make(...two, '-c:s:0', 'ttml', '-c:s:1', 'mov_text', 'two.mp4');
    const mp4 = await upscale('two.mp4');
    expect(mp4.notices).toEqual(['Subtitle track 1 (stpp) is not in the output: ffmpeg.wasm cannot read it.']);
    expectCues(mp4Cues(mp4.out, 1), FRENCH);
  });

  it('are told where ffmpeg.wasm is not to be had, and the video is whole', async () => {
    makeTitled('titled.mkv');
    const none = await upscale('titled.mkv', {});
    expect(none.notices).toEqual([
      'The subtitles of the file are not in the output: ffmpeg.wasm reads them, see options.assets.ffmpegCore.',
    ]);
    const nowhere = await upscale('titled.mkv', { assets: { ffmpegCore: '/nowhere/' } });
    expect(nowhere.notices).toHaveLength(1);
    expect(nowhere.notices?.[0]).toMatch(
      /^The subtitles of the file are not in the output: .*could not be loaded from http.*see options\.assets\.ffmpegCore\.$/,
    );
    for (const { out } of [none, nowhere]) expect(files.streams(out)).toHaveLength(1);
  });

  it('chapters are told, and attached files where they cannot be kept, without ffmpeg.wasm', async () => {
    files.write('letters.ttf', Buffer.alloc(100, 1));
    files.write('parts.txt', Buffer.from(';FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=500\ntitle=One\n'));
    const parts = [...PICTURE, '-i', 'parts.txt', '-map', '0', '-map_chapters', '1', ...H264];
    files.make(...parts, '-attach', 'letters.ttf', '-metadata:s:t', 'mimetype=font/ttf', 'parts.mkv');
    files.make(...parts, 'parts.mp4');
    const kept = await upscale('parts.mkv', {});
    expect(kept.notices).toEqual(['The chapters of the file are not in the output.']);
    expect(files.streams(kept.out)[1]).toMatchObject({ codec_type: 'attachment', tags: { filename: 'letters.ttf' } });
    expect((await upscale('parts.mkv', { container: 'mp4' })).notices).toEqual([
      'The chapters of the file are not in the output.',
      'The files that are attached to the source, as fonts are, are not in the output.',
    ]);
    // A list of chapters in MP4 is a track of text.
    const mp4 = await upscale('parts.mp4');
    expect(mp4.notices).toEqual(['The chapters of the file are not in the output.']);
    expect(files.streams(mp4.out)).toHaveLength(1);
  });

  it('of a file on a server are kept too: it is fetched whole only where it has some', async () => {
    makeTitled('titled.mkv');
    files.make(...PICTURE, ...H264, 'plain.mp4');
    const asked: string[] = [];
    const server = createServer((request, response) => {
      const name = request.url?.slice(1) ?? '';
      const [, from = '', to = ''] = /bytes=(\d+)-(\d*)/.exec(request.headers.range ?? '') ?? [];
      const all = readFileSync(files.path(name));
      const end = Math.min(to === '' ? Number.POSITIVE_INFINITY : Number(to) + 1, all.length);
      response.setHeader('Access-Control-Allow-Origin', '*');
      response.setHeader('Access-Control-Allow-Headers', 'Range');
      response.setHeader('Access-Control-Expose-Headers', 'Content-Range, Content-Length, Accept-Ranges');
      response.setHeader('Accept-Ranges', 'bytes');
      if (request.method === 'GET') asked.push(`${name} ${from === '' ? 'whole' : 'part'}`);
      if (from !== '') response.setHeader('Content-Range', `bytes ${from}-${end - 1}/${all.length}`);
      response.writeHead(from === '' ? 200 : 206).end(from === '' ? all : all.subarray(Number(from), end));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const at = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const titled = await pages.run<Outcome>('file', 'upscaleAt', `${at}/titled.mkv`, { assets: CORE });
      expect(titled.error).toBeNull();
      expect(titled.file).toMatchObject({ frames: FRAMES, notices: [ASS] });
      files.write('fetched.mkv', Buffer.from(titled.bytes, 'base64'));
      expectCues(matroskaCues('fetched.mkv', 1), GERMAN);
      expectCues(matroskaCues('fetched.mkv', 2), FRENCH);
      expect(asked.filter((one) => one === 'titled.mkv whole')).toHaveLength(1);
      const plain = await pages.run<Outcome>('file', 'upscaleAt', `${at}/plain.mp4`, { assets: CORE });
      expect(plain.file).toMatchObject({ frames: FRAMES, notices: [] });
      expect(asked).toContain('plain.mp4 part');
      expect(asked).not.toContain('plain.mp4 whole');
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});
