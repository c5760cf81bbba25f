import { add, find, write } from '../demo/page.js';
import { ended, everySecond, pause } from './connection.js';
import { endpoint, fieldOf, openForm, type Place, placeOf, runByForm } from './form.js';
import { levelSentence, mayPass, refusalSentence } from './sentences.js';
import { readStreams, type StreamReport } from './streams.js';
import { sizeSentence, TrafficMeter } from './traffic.js';
import { type HttpSession, watch } from './whip-whep.js';

const AGAIN_MS = 2000;
const FIGURES = [
  'source-size',
  'upscaled-size',
  'upscaled-fps',
  'delay',
  'level',
  'reason',
  'delay-why',
  'source-traffic',
  'upscaled-traffic',
  'viewers',
];

const form = openForm();
const before = find<HTMLVideoElement>('before');
const after = find<HTMLVideoElement>('after');

function say(state: 'idle' | 'busy' | 'live', sentence: string): void {
  find('dot').dataset['state'] = state;
  write(find('status'), sentence);
}

function complain(sentence: string): void {
  write(find('error'), sentence);
  find('error').hidden = sentence === '';
}

/** Watches until it is stopped: waits for the stream, and for its coming back. */
async function run(place: Place, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      say('busy', `Asking ${place.server} for “${place.stream}”.`);
      await watchBoth(place, signal);
      if (!signal.aborted) say('busy', `“${place.stream}” has ended, or the connection was lost. Looking again.`);
    } catch (error) {
      if (signal.aborted) return;
      const sentence = refusalSentence(error, place, 'watch');
      if (!mayPass(error)) {
        complain(sentence);
        return;
      }
      say('busy', `${sentence} Looking again every ${AGAIN_MS / 1000} seconds.`);
    }
    await pause(AGAIN_MS, signal);
  }
}

/** Watches a stream in both forms until one of them ends. */
async function watchBoth(place: Place, signal: AbortSignal): Promise<void> {
  const ask = (video: string): Promise<HttpSession> => {
    const url = endpoint(place, 'whep');
    url.searchParams.set('video', video);
    return watch(url, place.token, signal);
  };
  const sessions: HttpSession[] = [];
  const over = new AbortController();
  signal.addEventListener('abort', () => over.abort(), { once: true });
  try {
    const source = await ask('source');
    sessions.push(source);
    const upscaled = await ask('upscaled');
    sessions.push(upscaled);
    play(before, source.pc);
    play(after, upscaled.pc);
    say('busy', 'Connected. The first picture is on its way.');
    const figures = showFigures(place, source, upscaled, over);
    await Promise.race([ended(source.pc, over.signal), ended(upscaled.pc, over.signal)]);
    over.abort();
    await figures;
  } finally {
    over.abort();
    for (const session of sessions) session.end();
    for (const video of [before, after]) video.srcObject = null;
    for (const id of FIGURES) write(find(id), '–');
    find('empty').hidden = false;
  }
}

function play(video: HTMLVideoElement, pc: RTCPeerConnection): void {
  video.srcObject = new MediaStream(pc.getReceivers().map(({ track }) => track));
  video.play().catch(() => undefined);
}

/** Shows what is known, each second, until it is over; finds out when that is. */
async function showFigures(place: Place, source: HttpSession, upscaled: HttpSession, over: AbortController) {
  const { signal } = over;
  const meters = [new TrafficMeter(), new TrafficMeter()] as const;
  await everySecond(signal, async () => {
    const [sent, large, streams] = await Promise.all([
      meters[0].read(source.pc).catch(() => undefined),
      meters[1].read(upscaled.pc).catch(() => undefined),
      readStreams(place, signal),
    ]);
    if (signal.aborted) return;
    const traffic = [
      ['source', sent],
      ['upscaled', large],
    ] as const;
    for (const [name, one] of traffic) {
      if (!one) continue;
      const { framesPerSecond, kilobitsPerSecond, codec } = one;
      write(find(`${name}-size`), sizeSentence(one));
      const rates = `${framesPerSecond.toFixed(0)} frames a second, ${kilobitsPerSecond.toFixed(0)} kbit/s`;
      write(find(`${name}-traffic`), `${sizeSentence(one)}, ${rates}, ${codec}`);
    }
    if (large) write(find('upscaled-fps'), large.framesPerSecond.toFixed(0));
    const stream = streams.find(({ name }) => name === place.stream);
    report(stream, place, source.pc);
    // When nobody has come back for long enough the server ends its viewers' sessions.
    if (!stream && (await isOver(source))) over.abort();
    showNames(streams);
  });
}

/** Whether the server knows the session no more. */
async function isOver({ resource }: HttpSession): Promise<boolean> {
  const response = await fetch(resource).catch(() => undefined);
  return response?.status === 404;
}

/** Shows what the server says of the stream. */
function report(stream: StreamReport | undefined, place: Place, source: RTCPeerConnection): void {
  const shown = after.videoWidth > 0;
  find('empty').hidden = shown;
  if (!stream) {
    say('busy', `Whoever published “${place.stream}” has gone, or the server does not answer. Waiting.`);
    return;
  }
  if (shown) say('live', `Watching “${place.stream}”.`);
  const { level, levelReason, addedDelayMs, viewers } = stream;
  write(find('level'), levelSentence(level));
  write(find('reason'), levelReason || '–');
  write(find('delay'), addedDelayMs.toFixed(0));
  write(
    find('delay-why'),
    `${addedDelayMs.toFixed(0)} ms, from a frame’s arrival at the server to its departure (median)`,
  );
  write(find('viewers'), `${viewers.source} as sent, ${viewers.upscaled} upscaled`);
  holdBack(source, addedDelayMs);
}

/** Delays the picture as sent, so that both sides of the line show the same moment. */
function holdBack(source: RTCPeerConnection, delayMs: number): void {
  for (const receiver of source.getReceivers()) {
    if ('jitterBufferTarget' in receiver) receiver.jitterBufferTarget = Math.min(1000, Math.round(delayMs));
  }
}

/** What can be watched, for the field with the name. */
function showNames(streams: readonly StreamReport[]): void {
  const list = find('streams');
  list.replaceChildren();
  for (const { name } of streams) add(list, 'option', name);
}

runByForm(form, 'Watch', async (signal) => {
  complain('');
  try {
    await run(placeOf(form), signal);
  } catch (error) {
    complain(error instanceof Error ? error.message : String(error));
  }
  say('idle', signal.aborted ? 'Stopped.' : 'Nothing is watched.');
});

function showAddress(): void {
  const place = { server: fieldOf(form, 'server'), stream: fieldOf(form, 'stream') };
  find<HTMLAnchorElement>('publish-top').href = `./publish.html?${new URLSearchParams(place)}`;
  write(find('address'), `${place.server}/whep/${place.stream}?video=upscaled`);
}

after.addEventListener('resize', () => {
  find('stage').style.aspectRatio = `${after.videoWidth} / ${after.videoHeight}`;
});
const split = find<HTMLInputElement>('split');
split.addEventListener('input', () => {
  find('stage').style.setProperty('--split', `${split.value}%`);
  split.setAttribute('aria-valuetext', `${Math.round(Number(split.value))} % as sent`);
});
form.addEventListener('input', showAddress);
showAddress();
// Whoever comes here wants to see it; before there is a stream the page says so, and waits.
form.requestSubmit();
