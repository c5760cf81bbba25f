import { expect, it } from 'vitest';
import type { ProcessorListener } from '../../src/server/processor.js';
import { UpscaledVideo } from '../../src/server/rtc/upscaled-video.js';

it('what many viewers ask for until a keyframe comes is one; who asks later gets another', () => {
  let nowMs = 1000;
  let keyframes = 0;
  let wanted = 0;
  let processor: ProcessorListener | undefined;
  const video = new UpscaledVideo({
    codec: 'vp8',
    openProcessor: (_, listener) => {
      processor = listener;
      return { push: () => true, requestKeyframe: () => keyframes++, setBitrate: () => {}, close: () => {} };
    },
    now: () => nowMs,
    send: () => {},
    keyframeWanted: () => wanted++,
    level: () => {},
    delay: () => {},
  });
  const pass = (ms: number): void => {
    for (const end = nowMs + ms; nowMs < end; nowMs += 10) video.tick(nowMs);
  };
  const picture = (key: boolean): void =>
    processor?.picture({ codec: 'vp8', data: new Uint8Array(20), key, timestampUs: nowMs * 1000 });
  for (let viewer = 0; viewer < 50; viewer++) video.requestKeyframe();
  expect(keyframes, 'at once').toBe(1);
  picture(false);
  pass(100);
  picture(true);
  pass(2000);
  expect(keyframes, 'all have it').toBe(1);
  video.requestKeyframe();
  expect(keyframes).toBe(2);
  pass(500);
  expect(keyframes, 'none has come: asked again').toBe(3);
  const before = wanted;
  processor?.forward(true);
  expect(wanted, 'the publisher is asked instead').toBe(before + 1);
  pass(10_000);
  expect(keyframes, 'it makes none now').toBe(3);
  video.close();
});
