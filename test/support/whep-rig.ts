import type { Page } from 'puppeteer-core';
import type { PeerSession, Rooms, WatchedVideo } from '../../src/server/rooms.js';
import type { RoomEvent, RoomsOptions } from '../../src/server/rtc/options.js';
import { createRooms, type RoomsSeams } from '../../src/server/rtc/rooms.js';
import type { SeenPicture } from '../pages/numbered-pictures.js';
import { inPage, openPage, type PageOpener } from './browser.js';

/** How long something is waited for: a guard against hanging. */
const HANGS_MS = 240_000;

/** A browser and rooms, with signalling by calls. */
export interface WhepRig {
  readonly page: Page;
  readonly rooms: Rooms;
  readonly events: RoomEvent[];
  publish(id: string, stream: string, options: PublishOptions): Promise<PeerSession>;
  watch(id: string, stream: string, options?: WatchOptions): Promise<PeerSession>;
  /** Waits until a viewer has seen so many more pictures, and gives them. @throws when they do not come */
  seen(id: string, count: number): Promise<SeenPicture[]>;
  run<T>(name: string, ...args: unknown[]): Promise<T>;
  close(): Promise<void>;
}

export interface PublishOptions {
  readonly codec: 'vp8' | 'h264';
  readonly width?: number;
  readonly height?: number;
  readonly fps?: number;
  readonly audio?: boolean;
  readonly layers?: number;
  readonly still?: string;
}

export interface WatchOptions {
  readonly video?: WatchedVideo;
  readonly codec?: string;
  readonly audio?: boolean;
}

/**
 * Rooms on loopback and a page that publishes and watches.
 * @param pages address of an empty page on the server of test pages
 */
export async function startRig(
  browser: PageOpener,
  pages: string,
  options: Partial<RoomsOptions> = {},
  seams: RoomsSeams = {},
): Promise<WhepRig> {
  const { page } = await openPage(browser, pages);
  const events: RoomEvent[] = [];
  const rooms = createRooms(
    {
      network: { host: '127.0.0.1' },
      ...options,
      limits: { connectTimeoutMs: HANGS_MS, ...options.limits },
      onEvent: (event) => {
        events.push(event);
        options.onEvent?.(event);
      },
    },
    seams,
  );
  const run = <T>(name: string, ...args: unknown[]): Promise<T> => inPage<T>(page, 'whep', name, ...args);
  return {
    page,
    rooms,
    events,
    run,
    publish: async (id, stream, { codec, width = 320, height = 180, ...rest }) => {
      const offer = await run<string>('publishOffer', id, { codec, width, height, ...rest });
      const session = await rooms.publish(stream, offer);
      await run('answer', id, session.answerSdp);
      return session;
    },
    watch: async (id, stream, { video = 'source', ...rest } = {}) => {
      const offer = await run<string>('watchOffer', id, rest);
      const session = await rooms.watch(stream, video, offer);
      await run('answer', id, session.answerSdp);
      return session;
    },
    seen: async (id, count) => {
      const pictures = await run<SeenPicture[]>('seen', id, count);
      if (pictures.length < count) throw new Error(`${id} has seen ${pictures.length} pictures in place of ${count}.`);
      return pictures;
    },
    close: async () => {
      await rooms.close('The test is over.');
      await page.close();
    },
  };
}

/** Waits for something. @throws when it does not come about */
export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + HANGS_MS;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`${what} did not come about.`);
    await new Promise((done) => setTimeout(done, 20));
  }
}
