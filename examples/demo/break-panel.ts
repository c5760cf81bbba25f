import type { LevelEvent, UpscaledTrack } from 'mana-upscale';
import { injectFault } from '../faults/inject.js';
import { surfaceOf } from './canvas.js';
import { FAULT_GROUPS, MEND, type OfferedFault } from './fault-list.js';
import { add, find, write } from './page.js';
import { isNetwork } from './sentences.js';
import { Trial } from './trial.js';

/** What is said is brought up to date this often. */
const SAID_EVERY_MS = 500;

/** The engine worker that fails on command. */
export const FAULTY_ENGINE: string = new URL('../faults/engine.worker.ts', import.meta.url).href;

/** The part of the page that breaks the engine worker. It is open while that worker is one that can be broken. */
export class BreakPanel {
  readonly #details = find<HTMLDetailsElement>('break');
  readonly #buttons: HTMLButtonElement[] = [];
  readonly #seen = surfaceOf(find<HTMLCanvasElement>('seen'));
  #trial: Trial | undefined;

  /**
   * @param upscaled the present stream
   * @param toggled is called when the person opens or closes the part
   */
  constructor(
    readonly upscaled: () => UpscaledTrack | undefined,
    toggled: () => void,
  ) {
    const place = find('faults');
    for (const { title, faults } of FAULT_GROUPS) {
      const group = add(place, 'fieldset');
      add(group, 'legend', title);
      for (const offered of faults) this.#offer(group, offered);
    }
    this.#offer(find('mend'), MEND);
    this.ready(false);
    this.#details.addEventListener('toggle', () => {
      if (!this.open) injectFault(MEND.fault);
      toggled();
    });
    setInterval(() => this.#say(), SAID_EVERY_MS);
  }

  /** Whether the person wants a worker that can be broken. */
  get open(): boolean {
    return this.#details.open;
  }

  /** Whether the present worker is one. */
  ready(ready: boolean): void {
    for (const button of this.#buttons) button.disabled = !ready;
    this.#trial = undefined;
    write(find('trial-output'), '');
    this.#details.dataset['ready'] = String(ready);
    if (!ready) write(find('trial'), 'The upscaler starts again, in an engine worker that fails on command.');
    else write(find('trial'), 'Nothing is broken. Choose a fault.');
  }

  /** What makes the picture changed. */
  level(event: LevelEvent, nowMs: number): void {
    this.#trial?.level(event, nowMs);
  }

  /**
   * An output frame was shown.
   * @param visible share of its height that a person should see
   */
  frame(frame: VideoFrame, visible: number, nowMs: number): void {
    this.#trial?.frame(nowMs);
    if (!this.open) return;
    const { displayWidth: width, displayHeight } = frame;
    const height = Math.round(displayHeight * visible);
    const { canvas, context } = this.#seen;
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    context.drawImage(frame, 0, 0, width, height, 0, 0, width, height);
  }

  #offer(place: Element, { fault, name, expected }: OfferedFault): void {
    const line = add(place, 'p');
    const button = add(line, 'button', name);
    button.type = 'button';
    button.dataset['fault'] = Object.values(fault).join(' ');
    const sentence = add(line, 'span', expected);
    sentence.id = `expected-${this.#buttons.length}`;
    button.setAttribute('aria-describedby', sentence.id);
    button.addEventListener('click', () => this.#strike(name, fault));
    this.#buttons.push(button);
  }

  #strike(name: string, fault: OfferedFault['fault']): void {
    const level = this.upscaled()?.stats().level;
    const trial = new Trial(name, level !== undefined && isNetwork(level), performance.now());
    this.#trial = trial;
    void injectFault(fault).struck.then(() => trial.struck(performance.now()));
    this.#say();
  }

  #say(): void {
    const upscaled = this.upscaled();
    if (!this.#trial || !upscaled) return;
    const now = performance.now();
    write(find('trial'), this.#trial.course(now));
    write(find('trial-output'), this.#trial.output(upscaled.track.readyState, now));
  }
}
