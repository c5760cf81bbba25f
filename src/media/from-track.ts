import { Observable } from 'rxjs';
import { readByElement } from './element.js';
import { readFrames } from './read-frames.js';
import { supportReport, trackPath } from './support.js';

/**
 * The frames of a video track. Each subscription reads the track on its own; the track is not stopped or changed.
 *
 * A frame belongs to the subscriber, which closes it: at once, because a track stalls when a few are left open.
 * Completes when the track ends.
 *
 * @example
 * ```ts
 * fromTrack(track).pipe(manaUpscale({ scale: 2 })).subscribe((frame) => { draw(frame); frame.close(); });
 * ```
 * @throws TypeError when `track` is no video track; on subscription, a `NotSupportedError` where frames cannot be had
 */
export function fromTrack(track: MediaStreamTrack): Observable<VideoFrame> {
  checkTrack(track);
  return new Observable<VideoFrame>((subscriber) => {
    const next = (frame: VideoFrame): void => {
      if (subscriber.closed) frame.close();
      else subscriber.next(frame);
    };
    const over = (): void => subscriber.complete();
    const path = trackPath();
    if (path === 'streams') {
      return readFrames(new MediaStreamTrackProcessor({ track, maxBufferSize: 1 }).readable, next, over);
    }
    if (path !== null) return readByElement(track, next, over);
    throw new DOMException(supportReport().reason, 'NotSupportedError');
  });
}

/** @throws TypeError when `track` is no live video track */
export function checkTrack(track: MediaStreamTrack): asserts track is MediaStreamVideoTrack {
  if (typeof MediaStreamTrack === 'undefined' || !(track instanceof MediaStreamTrack) || track.kind !== 'video') {
    throw new TypeError('track must be a MediaStreamTrack of kind video.');
  }
  if (track.readyState !== 'live') throw new TypeError('track has ended already; it must be live.');
}
