import type { Damage } from './damage.js';
import { type Decoded, type Decoding, decodePictures } from './decoder.js';
import type { Input } from './input.js';

/** How long before a part decoding is begun, in microseconds, each tried where the one before was not enough. */
const BACK_US = [1e6, 10e6, 60e6];

/**
 * The pictures of a file from some time before a part begins, so that nothing of the part is lacking and the network has
 * seen what comes before it. Containers lead to places where decoding cannot begin, or to the next one where it can: a
 * place is taken only if a whole picture that needs no other one is found there, not later than the part.
 * @param fromUs where the part begins, in microseconds of the file's clock; `undefined`: the file's first picture
 */
export async function* picturesFrom(
  input: Input,
  fromUs: number | undefined,
  damage: Damage,
  decoding: Decoding,
): AsyncGenerator<Decoded> {
  const { AV_FRAME_FLAG_KEY, AV_FRAME_FLAG_CORRUPT } = input.av.constants;
  const { num, den } = input.video.timeBase;
  const before = { ...damage };
  let moved = false;
  for (const backUs of BACK_US) {
    if (fromUs === undefined || fromUs - backUs <= input.startUs) break;
    if (!(await input.seek(fromUs - backUs))) break;
    moved = true;
    let begun = false;
    for await (const picture of decodePictures(input, damage, decoding)) {
      const { frame, pts } = picture;
      if (!begun) {
        if ((Number(pts) * 1e6 * num) / den > fromUs) break;
        if (!(frame.flags & AV_FRAME_FLAG_KEY) || frame.flags & AV_FRAME_FLAG_CORRUPT) continue;
        begun = true;
        // What lacks the pictures before is not broken.
        Object.assign(damage, before);
      }
      yield picture;
    }
    if (begun) return;
    Object.assign(damage, before);
  }
  if (moved) await input.rewind();
  yield* decodePictures(input, damage, decoding);
}
