import { type MonoTypeOperatorFunction, Observable, type Subscriber, type Subscription } from 'rxjs';

/**
 * Shares one stream of frames between subscribers: each receives its own clone and closes it. The source is subscribed
 * to with the first subscriber and left with the last.
 */
export function shareFrames(): MonoTypeOperatorFunction<VideoFrame> {
  return (source) => {
    const subscribers = new Set<Subscriber<VideoFrame>>();
    let subscription: Subscription | undefined;
    const end = (tell: (subscriber: Subscriber<VideoFrame>) => void): void => {
      const told = [...subscribers];
      subscribers.clear();
      subscription = undefined;
      told.forEach(tell);
    };
    return new Observable<VideoFrame>((subscriber) => {
      subscribers.add(subscriber);
      subscription ??= source.subscribe({
        next: (frame) => {
          for (const each of subscribers) if (!each.closed) each.next(frame.clone());
          frame.close();
        },
        error: (thrown: unknown) => end((each) => each.error(thrown)),
        complete: () => end((each) => each.complete()),
      });
      return () => {
        subscribers.delete(subscriber);
        if (subscribers.size > 0) return;
        subscription?.unsubscribe();
        subscription = undefined;
      };
    });
  };
}
