import { Observable, type OperatorFunction } from 'rxjs';

/** Where an operator's frames go: one stream through workers, threads or this thread. */
export interface Lane<In> {
  /** Takes a frame and owns it from now on. Never throws; it may be dropped when the network is busy. */
  push(frame: In): void;
  /** The source is over: settles when every frame that was taken has come out. */
  finish(): Promise<void>;
  /** Releases everything, frames included. */
  dispose(): void;
}

/** What a lane tells its operator. */
export interface LaneEvents<Out> {
  /** An output frame, owned by the receiver. */
  emit(frame: Out): void;
  /** The lane is over before its source: by an error, or because it was told to end. */
  over(error?: unknown): void;
}

/**
 * Turns lanes into an RxJS operator. Each subscription opens its own lane.
 *
 * A frame that is pushed in belongs to the operator; a frame that comes out belongs to the subscriber. Completion and
 * source errors flush first. Unsubscribing disposes the lane and closes frames that were on their way.
 * @param open opens a lane
 * @param close closes an output frame that nobody will receive
 */
export function laneOperator<In, Out>(
  open: (events: LaneEvents<Out>) => Lane<In>,
  close: (frame: Out) => void,
): OperatorFunction<In, Out> {
  return (source) =>
    new Observable<Out>((subscriber) => {
      const lane = open({
        emit: (frame) => {
          if (subscriber.closed) close(frame);
          else subscriber.next(frame);
        },
        over: (error) => {
          if (error === undefined) subscriber.complete();
          else subscriber.error(error);
        },
      });
      if (subscriber.closed) {
        lane.dispose();
        return undefined;
      }
      const finish = (then: () => void): void => {
        lane.finish().then(then, then);
      };
      const subscription = source.subscribe({
        next: (frame) => lane.push(frame),
        error: (thrown: unknown) => finish(() => subscriber.error(thrown)),
        complete: () => finish(() => subscriber.complete()),
      });
      return () => {
        subscription.unsubscribe();
        lane.dispose();
      };
    });
}
