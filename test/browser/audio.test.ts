import { describe, expect, it } from 'vitest';
import type {
  audioEnds,
  contextOfTheUser,
  followed,
  jitterBuffer,
  release,
  remoteTrack,
  wanting,
} from '../pages/audio.js';
import type { delayed } from '../pages/audio-firefox.js';
import { launchFirefox } from '../support/browser.js';
import { testPages } from '../support/pages.js';
import { openChromium } from '../support/shared-browser.js';

describe('upscaleStream in Chromium', () => {
  const pages = testPages();
  const run = <T>(name: string, ...args: unknown[]): Promise<T> => pages.run('audio', name, ...args);

  // That a flash and its beep leave together is what `npm run soak` measures.
  it('the audio is held back while the network looks ahead, and follows when it does no more', async () => {
    const { states, ahead, after } = await run<Awaited<ReturnType<typeof followed>>>('followed');
    expect(states).toEqual(['delayed ours live', 'delayed ours live']);
    // Three frames of 40 ms.
    expect(ahead).toBeGreaterThan(100);
    expect(after).toBeLessThan(ahead / 2);
  });

  it('a context of the user’s: the original audio while it does not run; it is theirs to close', async () => {
    const { steps, events, afterwards } = await run<Awaited<ReturnType<typeof contextOfTheUser>>>('contextOfTheUser');
    expect(steps).toEqual([
      'delayed ours live',
      'original source live',
      'delayed ours live',
      'running none',
      'original source live',
    ]);
    expect(events).toEqual([
      'original delayed: The audio context runs.',
      'delayed original: The audio context is suspended.',
      'original delayed: The audio context runs.',
    ]);
    expect(afterwards).toEqual(['ended', 'ended', 'ended', 'live', 'live']);
  });

  it('streams share a context, closed with the last of them; sources go on', async () => {
    const { states, tracks, sources } = await run<Awaited<ReturnType<typeof release>>>('release');
    // Two are the sources' own.
    expect(states).toEqual(['running running running', 'running running running', 'running closed running']);
    expect(tracks).toEqual(Array(4).fill('ended'));
    expect(sources).toEqual(Array(4).fill('live'));
  });

  it('does without audio, without the worklet, and not without video', async () => {
    expect(await run<Awaited<ReturnType<typeof wanting>>>('wanting')).toEqual({
      audio: 'none 0 null 1 0',
      worklet: expect.stringMatching(/^original source live: The audio worklet cannot be used: ./),
      noVideo: 'TypeError: stream has no video track to upscale.',
      noStream: 'TypeError: stream must be a MediaStream.',
      badContext: 'TypeError: options.audioContext, when provided, must be an AudioContext.',
      badReceiver: expect.stringMatching(
        /^TypeError: options\.audioReceiver, when provided, must be the RTCRtpReceiver/,
      ),
    });
  });

  it('audio that ends leaves the video alone', async () => {
    expect(await run<Awaited<ReturnType<typeof audioEnds>>>('audioEnds')).toEqual([
      'none source ended',
      'ended',
      'live',
    ]);
  });

  it('a receiver’s jitter buffer delays its audio, and has its old target afterwards', async () => {
    const { states, contexts, target, after } = await run<Awaited<ReturnType<typeof jitterBuffer>>>('jitterBuffer');
    expect(states).toEqual(['jitter-buffer source live', 'live live']);
    // The source's own.
    expect(contexts).toBe(0);
    expect(target).toBeGreaterThan(100);
    expect(after).toBe(40);
  });

  it('a remote track’s sound comes through the worklet', async () => {
    const { count, toldMs } = await run<Awaited<ReturnType<typeof remoteTrack>>>('remoteTrack');
    expect(count).toBeGreaterThanOrEqual(4);
    expect(toldMs).toBeGreaterThan(0);
  });
});

describe('upscaleStream on a page that nobody has touched', () => {
  const pages = testPages(() => openChromium({ gesture: true }));

  it('the original audio leaves until the page is clicked, and then the delayed one', async () => {
    const { page } = await pages.open();
    const session = await page.createCDPSession();
    // What Puppeteer itself evaluates counts as a gesture.
    const call = async (name: string): Promise<unknown> => {
      const { result } = await session.send('Runtime.evaluate', {
        expression: `import('/test/pages/audio.ts').then((page) => page['${name}']())`,
        awaitPromise: true,
        returnByValue: true,
      });
      return result.value;
    };
    try {
      expect(await call('untouched')).toBe('original source live: The audio context is suspended. null');
      await page.mouse.click(10, 10);
      expect(await call('touched')).toEqual({
        now: 'delayed ours live',
        events: ['original delayed'],
        source: 'live',
      });
    } finally {
      await page.close();
    }
  });
});

describe('upscaleStream in Firefox', () => {
  const pages = testPages(launchFirefox);

  it('delays the audio', async () => {
    const result = await pages.run<Awaited<ReturnType<typeof delayed>>>('audio-firefox', 'delayed', 5);
    expect(result.before).toBe(0);
    expect(result.beeps).toBeGreaterThanOrEqual(5);
    // Three frames of lookahead at ten frames a second.
    expect(result.toldMs).toBeGreaterThan(200);
    expect(result.tracks).toEqual(['ended', 'ended', 'live', 'live']);
  });
});
