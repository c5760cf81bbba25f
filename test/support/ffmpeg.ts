import { spawnSync } from 'node:child_process';
import { installWithApt } from '../../scripts/find-browser.mjs';

/**
 * Makes sure that the programs ffmpeg and ffprobe are there; on Debian as root they are installed with apt.
 * @throws when they are not, with the one command that gets them
 */
export function needFfmpeg(): void {
  const there = (): boolean => ['ffmpeg', 'ffprobe'].every((name) => !spawnSync(name, ['-version']).error);
  if (there() || (installWithApt(['ffmpeg']) && there())) return;
  throw new Error('These tests need ffmpeg. To get it: apt-get install ffmpeg');
}
