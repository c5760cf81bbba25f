import { find, write } from './page.js';

/** Two pictures further apart than this, in seconds, are not the same moment. */
const MOST_APART_S = 0.06;

/** Shows a file before and after, at the same moment: a border between the pictures, one slider for the time of both. */
export class Comparison {
  readonly #stage = find('stage');
  readonly #before = find<HTMLVideoElement>('before');
  readonly #after = find<HTMLVideoElement>('after');
  readonly #time = find<HTMLInputElement>('time');
  readonly #split = find<HTMLInputElement>('split');
  readonly #play = find<HTMLButtonElement>('play');
  #addresses: string[] = [];
  /** Whether this browser plays the source. */
  #both = false;

  constructor() {
    this.#split.addEventListener('input', () => this.#move());
    this.#time.addEventListener('input', () => this.#seek(Number(this.#time.value)));
    this.#play.addEventListener('click', () => this.#toggle());
    this.#after.addEventListener('timeupdate', () => this.#follow());
    this.#after.addEventListener('ended', () => this.#pause());
    this.#move();
  }

  /** Shows two files. Answers whether the browser plays the first one. */
  async show(source: Blob, result: Blob): Promise<boolean> {
    this.hide();
    this.#addresses = [source, result].map((blob) => URL.createObjectURL(blob));
    const [both, after] = await Promise.all([
      loaded(this.#before, this.#addresses[0] ?? ''),
      loaded(this.#after, this.#addresses[1] ?? ''),
    ]);
    if (!after) throw new Error('This browser cannot play the file that it made.');
    this.#both = both;
    this.#time.max = String(this.#after.duration);
    this.#stage.style.aspectRatio = `${this.#after.videoWidth} / ${this.#after.videoHeight}`;
    this.#after.classList.toggle('alone', !both);
    for (const id of ['before', 'before-tag', 'after-tag', 'split', 'handle']) find(id).hidden = !both;
    for (const id of ['after', 'scrub', 'stage']) find(id).hidden = false;
    this.#seek(0);
    return both;
  }

  /** Forgets the files. */
  hide(): void {
    this.#pause();
    for (const video of [this.#before, this.#after]) {
      video.removeAttribute('src');
      video.load();
    }
    for (const address of this.#addresses) URL.revokeObjectURL(address);
    this.#addresses = [];
    for (const id of ['before', 'after', 'before-tag', 'after-tag', 'split', 'handle', 'scrub']) find(id).hidden = true;
  }

  #move(): void {
    this.#stage.style.setProperty('--split', `${this.#split.value}%`);
    this.#split.setAttribute('aria-valuetext', `${Math.round(Number(this.#split.value))} % before`);
  }

  #seek(seconds: number): void {
    this.#after.currentTime = seconds;
    if (this.#both) this.#before.currentTime = seconds;
    this.#follow();
  }

  /** The clock goes by the result; the source follows. */
  #follow(): void {
    const { currentTime, duration, paused } = this.#after;
    if (document.activeElement !== this.#time || !paused) this.#time.value = String(currentTime);
    write(find('clock'), `${clock(currentTime)} of ${clock(duration)}`);
    const apart = Math.abs(this.#before.currentTime - currentTime);
    if (this.#both && !paused && apart > MOST_APART_S) this.#before.currentTime = currentTime;
  }

  #toggle(): void {
    if (!this.#after.paused) {
      this.#pause();
      this.#seek(this.#after.currentTime);
      return;
    }
    write(this.#play, 'Pause');
    const videos = this.#both ? [this.#after, this.#before] : [this.#after];
    for (const video of videos) void video.play().catch(() => this.#pause());
  }

  #pause(): void {
    write(this.#play, 'Play');
    this.#before.pause();
    this.#after.pause();
  }
}

/** Whether a video can be shown. */
function loaded(video: HTMLVideoElement, address: string): Promise<boolean> {
  return new Promise((resolve) => {
    video.addEventListener('loadeddata', () => resolve(true), { once: true });
    video.addEventListener('error', () => resolve(false), { once: true });
    video.src = address;
  });
}

/** Seconds as `1:02:03`. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.round(Number.isFinite(seconds) ? seconds : 0));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (value: number): string => String(value).padStart(2, '0');
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}
