import type { SubtitleTrackMetadata } from 'mediabunny';
import type { FileSource } from './protocol.js';
import type { Cue } from './webvtt-cues.js';

/** Subtitles that go along: all their text, which is little. */
export interface SubtitleTrack {
  readonly metadata: SubtitleTrackMetadata;
  readonly cues: readonly Cue[];
}

/** Reads the subtitles of a file, their times moved by `shiftS` seconds. Those that cannot be read are told and left out. */
export type ReadSubtitles = (shiftS: number) => Promise<readonly SubtitleTrack[]>;

/** What a file seems to have. */
export interface Mentions {
  /** How to speak of its subtitles, which may be something else in MP4 and MOV; `null` where it has none. */
  readonly subtitles: string | null;
  readonly chapters: boolean;
}

/** How much of a file's head and tail is looked at, in bytes: lists of tracks are at one of them. */
const LOOK_BYTES = 16 * 1024 * 1024;
/** The same of a file on a server. */
const FETCH_BYTES = 4 * 1024 * 1024;
/** Bytes that are looked at at once. */
const PIECE_BYTES = 4 * 1024 * 1024;
/** Pieces overlap by more than the longest word. */
const OVERLAP_BYTES = 64;

/**
 * What lists of tracks call subtitles: codec ids of Matroska, and handler types of MP4 and MOV.
 * mediabunny passes such tracks over without a word.
 */
const WORDS = /S_TEXT\/|S_VOBSUB|S_HDMV\/|S_DVBSUB|S_KATE|D_WEBVTT\/|hdlr\0{4}(?:\0{4}|mhlr)(?:sbtl|subt|clcp)/;
/** A handler type of subtitles and of chapters. */
const TEXT = /hdlr\0{4}(?:\0{4}|mhlr)text/;
/** Nero's list of chapters in MP4, and the entry of Matroska's table of contents that points to them. */
const CHAPTERS = /chpl\W\0{3}|S\xab\W\WC\xa7p/;

/** What a file speaks of at its head or tail. A guess that costs little, not a reading of the file. */
export async function mentionsIn(source: FileSource): Promise<Mentions> {
  const ends = source.kind === 'blob' ? endsOf(source.blob) : await fetchEnds(source.url).catch(() => []);
  let [sure, maybe, chapters] = [false, false, false];
  for (const end of ends) {
    for (let at = 0; at < end.size; at += PIECE_BYTES) {
      const bytes = await end.slice(at, at + PIECE_BYTES + OVERLAP_BYTES).arrayBuffer();
      const text = new TextDecoder('latin1').decode(bytes);
      sure ||= WORDS.test(text);
      maybe ||= TEXT.test(text);
      chapters ||= CHAPTERS.test(text);
    }
  }
  const what = sure ? 'The subtitles of the file' : maybe ? 'The subtitles or chapters of the file' : null;
  return { subtitles: what, chapters };
}

function endsOf(file: Blob): Blob[] {
  return file.size <= 2 * LOOK_BYTES ? [file] : [file.slice(0, LOOK_BYTES), file.slice(-LOOK_BYTES)];
}

async function fetchEnds(url: string): Promise<Blob[]> {
  const part = async (from: number, to: number): Promise<Response | null> => {
    const response = await fetch(url, { headers: { Range: `bytes=${from}-${to}` } });
    if (response.status === 206) return response;
    await response.body?.cancel();
    return null;
  };
  const head = await part(0, FETCH_BYTES - 1);
  if (!head) return [];
  const size = Number(/\/(\d+)$/.exec(head.headers.get('Content-Range') ?? '')?.[1] ?? 0);
  const tail = size > FETCH_BYTES ? await part(Math.max(FETCH_BYTES, size - FETCH_BYTES), size - 1) : null;
  return Promise.all([head, tail].filter((response) => response !== null).map((response) => response.blob()));
}
