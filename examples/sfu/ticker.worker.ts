/** Tells the page to draw: timers of a page slow down when nobody sees it, those of a worker do not. */
const FRAMES_PER_SECOND = 24;

setInterval(() => postMessage(null), 1000 / FRAMES_PER_SECOND);
