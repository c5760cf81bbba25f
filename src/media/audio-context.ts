/** An audio context that its user gives back. */
export interface ContextLease {
  readonly context: AudioContext;
  release(): void;
}

/** What a browser takes for a person's wish to hear something. */
const GESTURES = ['pointerdown', 'pointerup', 'keydown', 'touchend'] as const;

/** One context serves all streams of a page: made with the first, closed with the last. */
let shared: { readonly context: AudioContext; readonly close: () => void; users: number } | undefined;

/**
 * The page's context for delaying audio. It runs when the browser lets it: at once, or after the person has touched the
 * page, at which it is resumed.
 * @throws NotSupportedError where the browser makes none
 */
export function leaseContext(): ContextLease {
  shared ??= start();
  const held = shared;
  held.users++;
  let open = true;
  return {
    context: held.context,
    release: () => {
      if (!open) return;
      open = false;
      if (--held.users > 0) return;
      held.close();
      if (shared === held) shared = undefined;
    },
  };
}

function start(): NonNullable<typeof shared> {
  if (typeof AudioContext === 'undefined')
    throw new DOMException('This browser has no AudioContext.', 'NotSupportedError');
  const context = new AudioContext({ latencyHint: 'interactive' });
  const resume = (): void => {
    if (context.state !== 'running') context.resume().catch(() => undefined);
  };
  for (const type of GESTURES) window.addEventListener(type, resume, { capture: true, passive: true });
  resume();
  return {
    context,
    users: 0,
    close: () => {
      for (const type of GESTURES) window.removeEventListener(type, resume, { capture: true });
      context.close().catch(() => undefined);
    },
  };
}

const modules = new WeakMap<AudioContext, Promise<void>>();

/** Loads the worklet into a context, once. */
export function loadWorklet(context: AudioContext, url: string): Promise<void> {
  // Contexts of insecure pages have none.
  if (!context.audioWorklet) {
    return Promise.reject(
      new DOMException('AudioWorklet needs a secure page: https, or localhost.', 'NotSupportedError'),
    );
  }
  let loaded = modules.get(context);
  if (!loaded) {
    loaded = context.audioWorklet.addModule(url);
    modules.set(context, loaded);
    // One that could not be fetched is asked for again by the next who needs it.
    loaded.catch(() => modules.delete(context));
  }
  return loaded;
}
