/**
 * Loaded before the command line, as `--import` does: the process sends itself the signal `SIGNAL` when it has written that
 * `SEGMENTS` segments are whole. Nobody who looks from outside is sure to be there in time.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const { renameSync, readFileSync } = fs;
fs.renameSync = (from, to) => {
  renameSync(from, to);
  if (!String(to).endsWith('state.json')) return;
  const { segments } = JSON.parse(readFileSync(to, 'utf8'));
  if (segments.length === Number(process.env.SEGMENTS)) process.kill(process.pid, process.env.SIGNAL);
};
syncBuiltinESMExports();
