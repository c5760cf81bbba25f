import type { IoPlatform } from '../../live/io-host.js';
import { MEMORY_FRAMES, MemoryFrame } from '../../node/memory-frame.js';
import { startThread } from '../../node/threads.js';
import type { CodecBackend } from '../codecs/codec.js';
import type { CodedPlatform } from './coded-platform.js';
import { CodedSink } from './coded-sink.js';
import { CodedSource } from './coded-source.js';

/** What the `io` thread is made of where pictures come coded and leave coded. The codec's library is the fast scaler, too. */
export function codedIo(codecs: CodecBackend): IoPlatform<CodedPlatform> {
  return {
    kind: {
      ...MEMORY_FRAMES,
      // Nobody looks at it: the source's own pictures are forwarded instead.
      shownAs: (frame) => frame,
      openScaler: (size) => {
        const scaler = codecs.createScaler();
        return {
          draw: ({ planar }) => new MemoryFrame(scaler.scale(planar, size)),
          dispose: () => scaler.dispose(),
        };
      },
    },
    startEngine: ({ engineWorker }) => startThread(engineWorker, 'mana-engine'),
    openSource: ({ codec }, on) => new CodedSource(codecs, codec, on),
    openSink: (sink, on) => new CodedSink(codecs, sink, on),
  };
}
