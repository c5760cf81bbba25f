import { findBrowser } from '../../scripts/find-browser.mjs';
import { findAiortc } from './aiortc.js';
import { needFfmpeg } from './ffmpeg.js';

/**
 * Installs what tests need, where that may be done, before any of them runs: two of them side by side would be in each other's
 * way. What is missing afterwards is told by the tests that need it.
 */
export default function install(): void {
  for (const find of [() => findBrowser('chromium'), () => findBrowser('firefox'), needFfmpeg, findAiortc]) {
    try {
      find();
    } catch {
      // See above.
    }
  }
}
