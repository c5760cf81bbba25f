/** How much of a file's head and tail is looked at, in bytes: lists of tracks are at one of them. */
const LOOK_BYTES = 4 * 1024 * 1024;

/**
 * What lists of tracks call subtitles: codec ids of Matroska, and handler types of MP4 after the empty fields before them.
 * mediabunny passes such tracks over without a word, so that they would be lost without anybody knowing.
 */
const WORDS = /S_TEXT\/|S_VOBSUB|S_HDMV\/|S_DVBSUB|S_KATE|hdlr\0{8}(?:sbtl|subt|text|clcp)/;

/** The notice. */
export const NO_SUBTITLES = 'The subtitles of the file are not in the output.';

/** Whether a file speaks of subtitles at its head or tail. A guess for a notice, not a reading of the file. */
export async function mentionsSubtitles(file: Blob): Promise<boolean> {
  const ends = file.size <= 2 * LOOK_BYTES ? [file] : [file.slice(0, LOOK_BYTES), file.slice(-LOOK_BYTES)];
  for (const end of ends) {
    if (WORDS.test(new TextDecoder('latin1').decode(await end.arrayBuffer()))) return true;
  }
  return false;
}
