import type { Fault } from '../faults/faults.js';

/** A fault as the page offers it. */
export interface OfferedFault {
  readonly fault: Fault;
  readonly name: string;
  /** What should be seen. */
  readonly expected: string;
}

/** Faults of a kind. */
export interface FaultGroup {
  readonly title: string;
  readonly faults: readonly OfferedFault[];
}

/** Everything that the page can break, by what is broken. */
export const FAULT_GROUPS: readonly FaultGroup[] = [
  {
    title: 'The worker or its device is gone',
    faults: [
      {
        fault: { type: 'exit' },
        name: 'It ends without a word',
        expected: 'Scaling within a second, then a new worker.',
      },
      { fault: { type: 'crash' }, name: 'It crashes', expected: 'Scaling at once, then a new worker.' },
      {
        fault: { type: 'hang' },
        name: 'It hangs',
        expected: 'Scaling as soon as it is missed; it is ended, and a new one is started.',
      },
      {
        fault: { type: 'lose-device' },
        name: 'Its GPU device is lost',
        expected: 'On WebGPU: scaling, then a new device. On WASM there is none to lose.',
      },
    ],
  },
  {
    title: 'The network fails',
    faults: [
      {
        fault: { type: 'throw-once', graph: 'encode' },
        name: 'The encoder fails once',
        expected: 'A moment of scaling.',
      },
      {
        fault: { type: 'throw-once', graph: 'fuse' },
        name: 'The fusion fails once',
        expected: 'A moment of scaling.',
      },
      {
        fault: { type: 'refuse-allocation' },
        name: 'Memory is refused once',
        expected: 'A moment of scaling, when the next large piece of memory is asked for.',
      },
      {
        fault: { type: 'throw-always', graph: 'encode' },
        name: 'The encoder fails always',
        expected: 'Scaling until you mend it; the network is tried ever less often.',
      },
      {
        fault: { type: 'throw-always', graph: 'fuse' },
        name: 'The fusion fails always',
        expected: 'The same.',
      },
    ],
  },
  {
    title: 'It computes wrongly',
    faults: [
      {
        fault: { type: 'wrong-numbers' },
        name: 'Wrong numbers',
        expected:
          'Found out within about two seconds by the golden tile; then scaling, and a new worker that is right.',
      },
      {
        fault: { type: 'wrong-for-ever' },
        name: 'Wrong in every worker',
        expected: 'No worker proves itself: scaling until you mend it.',
      },
    ],
  },
  {
    title: 'It is slow',
    faults: [
      {
        fault: { type: 'slow', ms: 10 },
        name: '10 ms more a run',
        expected: 'Where that is too much for the budget: less lookahead, then a smaller network or scaling.',
      },
      { fault: { type: 'slow', ms: 50 }, name: '50 ms more a run', expected: 'The same, further down.' },
      {
        fault: { type: 'slow', ms: 400 },
        name: '400 ms more a run',
        expected: 'Scaling. With a generous budget and no frame rate asked for: the network, very late.',
      },
      { fault: { type: 'slow', ms: 0 }, name: 'As fast as before', expected: 'The way up again, tried step by step.' },
    ],
  },
];

/** Ends what stands. */
export const MEND: OfferedFault = {
  fault: { type: 'heal' },
  name: 'Mend it',
  expected: 'Ends all that stands. The network is back at its next try.',
};
