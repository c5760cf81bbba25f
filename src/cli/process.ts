/** Exit codes: BSD's for wrong usage, the shell's for what a signal cut short. */
export const EXIT = { ok: 0, failed: 1, damaged: 2, usage: 64, cut: 130, ended: 143 } as const;

/** Calls back for each signal to end; what it returns stops that. */
export function onProcessSignal(end: (signal: NodeJS.Signals) => void): () => void {
  const signals = ['SIGINT', 'SIGTERM'] as const;
  for (const signal of signals) process.on(signal, end);
  return () => {
    for (const signal of signals) process.off(signal, end);
  };
}
