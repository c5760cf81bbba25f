import { find, write } from '../demo/page.js';
import { sourceSentence } from '../demo/sentences.js';
import { ended, everySecond } from './connection.js';
import { endpoint, fieldOf, openForm, type Place, placeOf, runByForm } from './form.js';
import { drawsWhenHidden, openPicture, type PictureKind, type PictureSource } from './picture-source.js';
import { refusalSentence } from './sentences.js';
import { sizeSentence, TrafficMeter } from './traffic.js';
import { type HttpSession, publish } from './whip-whep.js';

const form = openForm();
const preview = find<HTMLVideoElement>('preview');

function say(state: 'idle' | 'busy' | 'live', sentence: string): void {
  find('dot').dataset['state'] = state;
  write(find('status'), sentence);
  find('next').hidden = state !== 'live';
}

function complain(sentence: string): void {
  write(find('error'), sentence);
  find('error').hidden = sentence === '';
}

/** Publishes until it is stopped, or the connection is. */
async function run(signal: AbortSignal): Promise<void> {
  const kind = fieldOf(form, 'picture') as PictureKind;
  const file = find<HTMLInputElement>('file-label').querySelector('input')?.files?.[0];
  let source: PictureSource | undefined;
  let session: HttpSession | undefined;
  let place: Place | undefined;
  try {
    place = placeOf(form);
    say('busy', 'Opening the picture.');
    source = await openPicture(kind, Number(fieldOf(form, 'width')), file);
    show(source.track);
    say('busy', `Asking ${place.server} for a session.`);
    session = await publish(endpoint(place, 'whip'), source.track, fieldOf(form, 'codec'), place.token, signal);
    say('busy', 'Connecting.');
    await follow(session.pc, place, signal);
    say(
      'idle',
      signal.aborted ? 'Stopped.' : 'The server has ended it, or the connection was lost. Press Publish again.',
    );
  } catch (error) {
    say('idle', 'Nothing is published.');
    if (!signal.aborted)
      complain(place && source ? refusalSentence(error, place, 'publish') : sourceSentence(kind, error));
  } finally {
    session?.end();
    source?.stop();
    show(undefined);
  }
}

/** Shows figures until the connection is over. */
async function follow(pc: RTCPeerConnection, place: Place, signal: AbortSignal): Promise<void> {
  const over = new AbortController();
  const meter = new TrafficMeter();
  const figures = everySecond(over.signal, async () => {
    if (pc.connectionState === 'connected') say('live', `Live as “${place.stream}”.`);
    const traffic = await meter.read(pc).catch(() => undefined);
    if (!traffic || over.signal.aborted) return;
    write(find('size'), sizeSentence(traffic));
    write(find('fps'), traffic.framesPerSecond.toFixed(0));
    write(find('bitrate'), `${traffic.kilobitsPerSecond.toFixed(0)} kbit/s`);
    write(find('codec'), traffic.codec);
  });
  await ended(pc, signal);
  over.abort();
  await figures;
  for (const id of ['size', 'fps', 'bitrate', 'codec']) write(find(id), '–');
}

function show(track: MediaStreamTrack | undefined): void {
  preview.srcObject = track ? new MediaStream([track]) : null;
  find('empty').hidden = track !== undefined;
  if (track) preview.play().catch(() => undefined);
}

runByForm(form, 'Publish', (signal) => {
  complain('');
  return run(signal);
});

/** What the page says about the address follows the form. */
function showAddress(): void {
  find('file-label').hidden = fieldOf(form, 'picture') !== 'file';
  const place = { server: fieldOf(form, 'server'), stream: fieldOf(form, 'stream') };
  const query = new URLSearchParams(place);
  for (const id of ['watch', 'watch-top']) find<HTMLAnchorElement>(id).href = `./watch.html?${query}`;
  write(find('address'), `${place.server}/whip/${place.stream}`);
}

preview.addEventListener('resize', () => {
  find('stage').style.aspectRatio = `${preview.videoWidth} / ${preview.videoHeight}`;
});
form.addEventListener('input', showAddress);
find('visible-note').hidden = drawsWhenHidden;
say('idle', 'Press Publish.');
showAddress();
