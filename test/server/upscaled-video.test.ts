import { expect, it } from 'vitest';
import { UpscaledVideo } from '../../src/server/rtc/upscaled-video.js';

it('what many viewers ask for at once is one keyframe; who asks later gets another', () => {
  let nowMs = 1000;
  let keyframes = 0;
  const video = new UpscaledVideo({
    codec: 'vp8',
    openProcessor: () => ({
      push: () => true,
      requestKeyframe: () => keyframes++,
      setBitrate: () => {},
      close: () => {},
    }),
    now: () => nowMs,
    send: () => {},
    keyframeWanted: () => {},
    level: () => {},
    delay: () => {},
  });
  const pass = (ms: number): void => {
    for (const end = nowMs + ms; nowMs < end; nowMs += 10) video.tick(nowMs);
  };
  for (let viewer = 0; viewer < 50; viewer++) video.requestKeyframe();
  expect(keyframes, 'at once').toBe(1);
  pass(240);
  expect(keyframes, 'the others may have joined after it').toBe(1);
  pass(50);
  expect(keyframes).toBe(2);
  pass(1000);
  expect(keyframes).toBe(2);
  video.requestKeyframe();
  expect(keyframes).toBe(3);
  video.close();
});
