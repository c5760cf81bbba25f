import { execFileSync, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { installWithApt } from '../../scripts/find-browser.mjs';
import { readPicture, type SeenPicture } from '../pages/numbered-pictures.js';

const SCRIPT = fileURLToPath(new URL('./whep_viewer.py', import.meta.url));
/** How long it may take: a guard against hanging. */
const HANGS_MS = 240_000;
/** The system's own comes first: it is the one that apt installs for. */
const PYTHONS = ['/usr/bin/python3', 'python3'];

/**
 * A Python that has aiortc; on Debian as root it is installed with apt when there is none.
 * @throws when there is none, with the one command that gets it
 */
export function findAiortc(): string {
  const find = (): string | undefined => PYTHONS.find(hasAiortc);
  const python = find() ?? (installWithApt(['python3-aiortc']) ? find() : undefined);
  if (python) return python;
  throw new Error('No Python with aiortc was found. To get it: apt-get install -y python3-aiortc');
}

function hasAiortc(python: string): boolean {
  try {
    execFileSync(python, ['-c', 'import aiortc'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/**
 * Watches a stream with aiortc until `count` pictures have come.
 * @param url what the offer is posted to
 * @throws when it failed, with what it said
 */
export async function watchWithAiortc(
  python: string,
  url: string,
  token: string,
  count: number,
): Promise<SeenPicture[]> {
  const child = spawn(python, [SCRIPT, url, token, String(count)], { stdio: ['ignore', 'pipe', 'pipe'] });
  const pictures: SeenPicture[] = [];
  let said = '';
  let rest = Buffer.alloc(0);
  child.stderr.on('data', (data: Buffer) => {
    said += data;
  });
  child.stdout.on('data', (data: Buffer) => {
    rest = Buffer.concat([rest, data]);
    for (let read = readFirst(rest); read; read = readFirst(rest)) {
      pictures.push({ ...read.picture, atMs: performance.now() });
      rest = rest.subarray(read.bytes);
    }
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), HANGS_MS);
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  clearTimeout(timer);
  if (code !== 0) throw new Error(`aiortc ended with ${code} after ${pictures.length} pictures: ${said}`);
  return pictures;
}

/** Reads the first picture of what has come, when it is all there. */
function readFirst(data: Buffer): { picture: Omit<SeenPicture, 'atMs'>; bytes: number } | undefined {
  const line = data.indexOf('\n');
  if (line < 0) return undefined;
  const [width = 0, height = 0] = data.toString('latin1', 0, line).split(' ').map(Number);
  const [halfWidth, halfHeight] = [(width + 1) >> 1, (height + 1) >> 1];
  const y = line + 1;
  const u = y + width * height;
  const v = u + halfWidth * halfHeight;
  const bytes = v + halfWidth * halfHeight;
  if (data.length < bytes) return undefined;
  const at = (i: number, j: number): [number, number, number] => {
    const chroma = (j >> 1) * halfWidth + (i >> 1);
    return [data[y + j * width + i]!, data[u + chroma]!, data[v + chroma]!];
  };
  return { picture: readPicture(at, width, height), bytes };
}
