import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where each browser is looked for, and how a person gets it. */
const BROWSERS = {
  chromium: {
    env: 'CHROMIUM_PATH',
    paths: [
      '/usr/bin/chromium',
      '/usr/bin/chromium-browser',
      '/usr/bin/google-chrome',
      '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
      'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
    ],
    playwright: ['chromium-', ['chrome-linux/chrome', 'chrome-linux64/chrome']],
    apt: ['chromium'],
    get: 'apt-get install chromium, or npx playwright install chromium',
  },
  firefox: {
    env: 'FIREFOX_PATH',
    paths: [
      '/usr/bin/firefox-esr',
      '/usr/bin/firefox',
      '/Applications/Firefox.app/Contents/MacOS/firefox',
      'C:\\Program Files\\Mozilla Firefox\\firefox.exe',
    ],
    // Playwright's Firefox is patched and does not speak WebDriver BiDi to others.
    playwright: undefined,
    // The second is what its WebGPU runs on where there is no GPU.
    apt: ['firefox-esr', 'mesa-vulkan-drivers'],
    get: 'apt-get install firefox-esr mesa-vulkan-drivers, or install it from mozilla.org and set FIREFOX_PATH',
  },
};

/**
 * The path of a browser: from an environment variable, the usual places or Playwright's cache; on Debian as root it is
 * installed with apt when there is none.
 * @param {'chromium' | 'firefox'} name
 * @returns {string}
 * @throws when there is none, with the one command that gets it
 */
export function findBrowser(name) {
  const { env, paths, playwright, apt, get } = BROWSERS[name];
  const given = process.env[env];
  if (given) {
    if (existsSync(given)) return given;
    throw new Error(`${env} names ${given}, which does not exist.`);
  }
  const found = () =>
    [...paths, ...(playwright ? playwrightPaths(...playwright) : [])].find((path) => existsSync(path));
  const path = found() ?? (installWithApt(apt) ? found() : undefined);
  if (path) return path;
  throw new Error(`No ${name} was found. To get it: ${get}. Or set ${env} to its path.`);
}

function playwrightPaths(prefix, programs) {
  const cache = join(homedir(), '.cache', 'ms-playwright');
  if (!existsSync(cache)) return [];
  const folders = readdirSync(cache).filter((name) => name.startsWith(prefix));
  return folders.flatMap((folder) => programs.map((program) => join(cache, folder, program)));
}

/**
 * Installs Debian packages that tests need, where that may be done: on Debian, as root.
 * @param {readonly string[]} packages
 * @returns {boolean} whether they are installed
 */
export function installWithApt(packages) {
  if (process.getuid?.() !== 0 || !existsSync('/etc/debian_version')) return false;
  console.error(`Installing ${packages.join(' and ')} with apt, because the tests need it.`);
  const options = {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  };
  try {
    execFileSync('apt-get', ['update', '-qq'], options);
    execFileSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], options);
    return true;
  } catch {
    return false;
  }
}
