import { cpus, loadavg, type } from 'node:os';

/** What figures were measured on. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly system: string;
  readonly browser: string;
  readonly date: string;
  /** Programs that wanted a core, one-minute means: at the start, and at the end, where our own work counts too. */
  readonly load: readonly [start: number, end: number];
}

/** Load up to which a machine of two cores is called quiet. */
const QUIET = 1.5;

/** The load now. Taken before the browser starts, it tells whether others use the machine. */
export function load(): number {
  return loadavg()[0] ?? 0;
}

export function machine(browser: string, loadAtStart: number): Machine {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    system: type(),
    browser,
    date: new Date().toISOString(),
    load: [loadAtStart, load()],
  };
}

export function machineText({ cpu, cores, system, browser, date, load: [start, end] }: Machine): string {
  return [
    `machine  ${cpu}, ${cores} cores, ${system}`,
    `browser  ${browser}, headless, WASM`,
    `date     ${date}`,
    `load     ${start.toFixed(2)} before the start, ${end.toFixed(2)} at the end${start > QUIET ? ': OTHERS WERE RUNNING, TRUST RATIOS ONLY' : ''}`,
  ].join('\n');
}
