import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type PreviewServer, preview } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mediaFiles } from '../support/media-files.js';
import { openChromium } from '../support/shared-browser.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const files = mediaFiles();
let folder: string;
let site: PreviewServer | undefined;

/** A project of somebody else: the packed tarball and its dependencies in node_modules, nothing of ours around it. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mana-upscale-consumer-'));
  execFileSync('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: root });
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz')) as string;
  const installed = join(folder, 'node_modules/mana-upscale');
  await mkdir(installed, { recursive: true });
  execFileSync('tar', ['-xzf', join(folder, tarball), '-C', installed, '--strip-components', '1']);
  for (const name of ['rxjs', 'tslib', 'onnxruntime-web', 'onnxruntime-common']) {
    symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name));
  }
  cpSync(join(root, 'test/consumer'), folder, { recursive: true });
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'consumer', type: 'module', private: true }));
});

afterAll(async () => {
  await site?.close();
  await rm(folder, { recursive: true, force: true });
});

describe('a project that installs the packed package', () => {
  it('finds everything in the tarball that the entries name, and no more than it should', () => {
    const installed = join(folder, 'node_modules/mana-upscale');
    const { exports } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as {
      exports: Record<string, string | Record<string, string>>;
    };
    for (const entry of Object.values(exports)) {
      if (typeof entry === 'string') continue;
      for (const file of Object.values(entry)) expect(existsSync(join(installed, file)), file).toBe(true);
    }
    expect(Object.keys(Object.values(exports)[0] as object)[0]).toBe('types');
    expect(readdirSync(installed).sort()).toEqual(['CHANGELOG.md', 'LICENSE', 'README.md', 'dist', 'package.json']);
  });

  it('builds with Vite’s defaults and upscales in Chromium', async () => {
    await build({ root: folder, configFile: false, logLevel: 'error', build: { target: 'es2022' } });
    site = await preview({
      root: folder,
      configFile: false,
      logLevel: 'error',
      preview: { host: '127.0.0.1', port: 0 },
    });
    const address = site.httpServer.address();
    if (typeof address !== 'object' || address === null) throw new Error('The preview did not start.');
    const browser = await openChromium();
    try {
      const page = await browser.newPage();
      const elsewhere: string[] = [];
      page.on('request', (request) => {
        if (!/^(http:\/\/127\.0\.0\.1|blob:|data:)/.test(request.url())) elsewhere.push(request.url());
      });
      await page.goto(`http://127.0.0.1:${address.port}/`);
      await page.waitForFunction("document.querySelector('#result').textContent !== ''", { timeout: 240_000 });
      expect(await page.evaluate("document.querySelector('#result').textContent")).toBe('full 128 delayed');
      const upscale = (name: string, ...codec: string[]): Promise<unknown> => {
        const base64 = files
          .make('-f', 'lavfi', '-i', 'testsrc2=s=64x48:r=25:d=0.4', ...codec, name)
          .toString('base64');
        return page.evaluate(`upscaleBase64('${base64}', '${name}')`);
      };
      const h264 = ['-c:v', 'libx264', '-pix_fmt', 'yuv420p'];
      expect(await upscale('film.mp4', ...h264)).toMatch(/^10 frames, video\/mp4/);
      // ffmpeg's core is not there, but its worker is.
      expect(await upscale('film.avi', '-c:v', 'mpeg4')).toMatch(/could not be loaded from .*\/core\/ffmpeg-core\.js/);
      expect(elsewhere).toEqual([]);
    } finally {
      await browser.close();
    }
  });

  it('renders on a server: imports are free of effects, and what cannot work there says so', () => {
    const script = `
      const { isSupported, supportReport, upscaleTrack, manaUpscale } = await import('mana-upscale');
      manaUpscale({ scale: 2 });
      const error = await upscaleTrack({}).catch((thrown) => thrown);
      console.log(JSON.stringify([isSupported(), supportReport().reason, error.name]));`;
    const printed = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
      cwd: folder,
      encoding: 'utf8',
    });
    expect(JSON.parse(printed)).toEqual([false, expect.stringMatching(/^This browser has no \w+\.$/), 'TypeError']);
  });
});
