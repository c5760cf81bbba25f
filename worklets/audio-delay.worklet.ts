import { DELAY_PROCESSOR, type ToDelay } from '../src/media/audio-delay.js';
import { DelayLine } from '../src/media/delay-line.js';

/** What TypeScript's libraries do not know of the scope of audio worklets. */
declare const sampleRate: number;
declare abstract class AudioWorkletProcessor {
  readonly port: MessagePort;
}
declare function registerProcessor(name: string, processor: new (options: AudioWorkletNodeOptions) => unknown): void;

class AudioDelayProcessor extends AudioWorkletProcessor {
  readonly #line: DelayLine;
  #told = 0;
  #open = true;

  constructor({ processorOptions }: AudioWorkletNodeOptions) {
    super();
    const { channels } = processorOptions as { channels: number };
    this.#line = new DelayLine(sampleRate, channels);
    this.port.onmessage = ({ data }: MessageEvent<ToDelay>) => {
      if (data.type === 'delay') this.#line.aim(data.seconds * sampleRate);
      else this.#open = false;
    };
  }

  process([input]: [Float32Array[]], [output]: [Float32Array[]]): boolean {
    this.#line.process(input, output);
    const { delay } = this.#line;
    if (delay !== this.#told) {
      this.#told = delay;
      this.port.postMessage(delay / sampleRate);
    }
    return this.#open;
  }
}

registerProcessor(DELAY_PROCESSOR, AudioDelayProcessor);
