/** What a video does on its way, as `getStats()` tells it. */
export interface Traffic {
  readonly width: number;
  readonly height: number;
  readonly framesPerSecond: number;
  readonly kilobitsPerSecond: number;
  /** Without the parameters: `VP8`. */
  readonly codec: string;
}

/** Follows the one video of a connection. Call it about once a second. */
export class TrafficMeter {
  #before: { readonly atMs: number; readonly frames: number; readonly bytes: number } | undefined;

  /** `undefined` until a picture has been sent or shown, and at the first call. */
  async read(pc: RTCPeerConnection): Promise<Traffic | undefined> {
    const report = await pc.getStats();
    let rtp: Record<string, unknown> | undefined;
    const codecs = new Map<unknown, string>();
    report.forEach((entry: Record<string, unknown>) => {
      const { type, kind } = entry;
      if ((type === 'inbound-rtp' || type === 'outbound-rtp') && kind === 'video') rtp = entry;
      if (type === 'codec') codecs.set(entry['id'], String(entry['mimeType']).replace(/^video\//, ''));
    });
    if (!rtp) return undefined;
    const number = (name: string): number => (typeof rtp?.[name] === 'number' ? rtp[name] : 0);
    const now = {
      atMs: performance.now(),
      frames: number('framesDecoded') + number('framesEncoded'),
      bytes: number('bytesReceived') + number('bytesSent'),
    };
    const before = this.#before;
    this.#before = now;
    const [width, height] = [number('frameWidth'), number('frameHeight')];
    if (!before || width === 0) return undefined;
    const seconds = (now.atMs - before.atMs) / 1000;
    return {
      width,
      height,
      framesPerSecond: (now.frames - before.frames) / seconds,
      kilobitsPerSecond: ((now.bytes - before.bytes) * 8) / 1000 / seconds,
      codec: codecs.get(rtp['codecId']) ?? '',
    };
  }
}

/** A picture's size, as people write it. */
export function sizeSentence({ width, height }: { readonly width: number; readonly height: number }): string {
  return `${width} × ${height}`;
}
