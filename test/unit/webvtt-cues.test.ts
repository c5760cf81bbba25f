import { expect, it } from 'vitest';
import { readCues, writeCue } from '../../src/media/file/webvtt-cues.js';

const rewritten = (vtt: string): string[] => readCues(vtt).cues.map(writeCue);

it('cues are in the order in which they begin, with names left out and settings kept', () => {
  const vtt =
    'WEBVTT\nRegion: x\n\nNOTE of nobody\n\n00:02.000 --> 01:00:03.500 align:start line:0\nB\nb\n\nname\n00:01.250 --> 00:02.500\nA\n';
  expect(rewritten(vtt)).toEqual([
    '00:00:01.250 --> 00:00:02.500 \nA\n\n',
    '00:00:02.000 --> 01:00:03.500 align:start line:0\nB\nb\n\n',
  ]);
});

it('what would be read as something else is mended, and what says nothing is left out', () => {
  const vtt = [
    'WEBVTT',
    '00:01.000 --> 00:02.000\r\nOne\r\n\r\n\r\nafter a gap',
    '00:03.000 --> 00:03.000\nno time',
    '00:05.000 --> 00:04.000\nbackwards',
    '00:05.000 --> 00:06.000\n  ',
    '00:07.000 --> 00:08.000\n00:01.000 --> 00:02.000',
    '100:00:00.000 --> 100:00:01.000\ntoo late',
    '-1:59.900 --> 00:00.100\nbefore the beginning',
  ].join('\n\n');
  expect(rewritten(vtt).slice(0, 2)).toEqual([
    '00:00:01.000 --> 00:00:02.000 \nOne\nafter a gap\n\n',
    '00:00:07.000 --> 00:00:08.000 \n00:01.000 --&gt; 00:02.000\n\n',
  ]);
  expect(rewritten(vtt)).toHaveLength(2);
  expect(rewritten('')).toEqual([]);
  expect(rewritten('no subtitles\n\n\n\n')).toEqual([]);
});

it('texts at a time and texts in all have bounds, and what is lost is counted', () => {
  const time = (ms: number): string => new Date(ms).toISOString().slice(11, 23);
  const crowd = Array.from({ length: 100 }, (_, i) => `${time(i)} --> ${time(1000 + i)}\n${i}`);
  const { cues, lost } = readCues(`WEBVTT\n\n${crowd.join('\n\n')}`);
  expect(cues.map(({ text }) => text)).toEqual(Array.from({ length: 32 }, (_, i) => String(i)));
  expect(lost).toBe(68);
  const many = Array.from({ length: 50_010 }, (_, i) => `${time(i * 10)} --> ${time(i * 10 + 10)}\n${i}`);
  const all = readCues(`WEBVTT\n\n${many.join('\n\n')}`);
  expect(all.cues).toHaveLength(50_000);
  expect(all.lost).toBe(10);
});
