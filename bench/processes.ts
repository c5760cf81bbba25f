import { readFile } from 'node:fs/promises';
import type { Browser } from 'puppeteer-core';

/** A process's memory in MiB, from Linux' `/proc`. */
export interface ProcessMemory {
  /** `VmHWM`: the most that was ever resident, pages of shared files counted in full. */
  readonly peak: number;
  /** `Pss` of `smaps_rollup`: what is resident now, shared pages counted by their share. */
  readonly pss: number;
}

/** The browser's renderer processes by id. */
export async function renderers(browser: Browser): Promise<Map<number, ProcessMemory>> {
  const session = await browser.target().createCDPSession();
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  await session.detach();
  const found = new Map<number, ProcessMemory>();
  for (const { type, id } of processInfo) {
    if (type !== 'renderer') continue;
    try {
      const [status, rollup] = await Promise.all([
        readFile(`/proc/${id}/status`, 'utf8'),
        readFile(`/proc/${id}/smaps_rollup`, 'utf8'),
      ]);
      found.set(id, { peak: field(status, 'VmHWM'), pss: field(rollup, 'Pss') });
    } catch (cause) {
      // A process that has ended meanwhile is nobody's memory.
      if (process.platform !== 'linux') throw new Error('--memory reads /proc, which only Linux has.', { cause });
    }
  }
  return found;
}

function field(text: string, name: string): number {
  const [, kilobytes] = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text) ?? [];
  return Number(kilobytes) / 1024;
}
