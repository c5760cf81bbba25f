import puppeteer, { type Browser, type Page } from 'puppeteer-core';
import { findBrowser } from '../../scripts/find-browser.mjs';

/**
 * WebGPU in software: SwiftShader with working VideoFrame import and export, or without; llvmpipe, whose
 * adapter has to be asked for at the compatibility level; or no WebGPU at all.
 */
export type Gpu = 'none' | 'swiftshader' | 'swiftshader-no-import' | 'llvmpipe';

/** How Chromium is started. */
export interface ChromiumOptions {
  readonly gpu?: Gpu;
  /** A y4m file that plays, looping, as the camera. */
  readonly camera?: string;
  /** Slow down pages that nobody sees, as the browser does for people. Default `false`: every page is as fast as any. */
  readonly throttling?: boolean;
  /** Sound needs a click first, as for people. Default: it does not. */
  readonly gesture?: boolean;
}

/** What puppeteer gives to Chromium so that pages behind others are as fast as those in front. */
const NO_THROTTLING = [
  '--disable-background-timer-throttling',
  '--disable-backgrounding-occluded-windows',
  '--disable-renderer-backgrounding',
];

const GPU_FLAGS: Readonly<Record<Gpu, readonly string[]>> = {
  none: [],
  swiftshader: ['--enable-unsafe-webgpu', '--use-angle=gl-egl', '--ignore-gpu-blocklist'],
  'swiftshader-no-import': ['--enable-unsafe-webgpu'],
  llvmpipe: ['--enable-unsafe-webgpu', '--use-angle=gl-egl', '--ignore-gpu-blocklist', '--use-webgpu-adapter=opengles'],
};

/** Starts a headless Chromium. */
export function launchChromium(options: ChromiumOptions = {}): Promise<Browser> {
  const { gpu = 'none', camera, throttling = false, gesture = false } = options;
  return puppeteer.launch({
    executablePath: findBrowser('chromium'),
    headless: true,
    protocolTimeout: 300_000,
    ...(throttling ? { ignoreDefaultArgs: NO_THROTTLING } : {}),
    args: [
      '--no-sandbox',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      // Processes for pages that may come would take time from those that are there.
      '--disable-features=SpareRendererForSitePerProcess',
      // Pages that lost their devices must not cost the next ones theirs: all of them have one origin.
      '--disable-domain-blocking-for-3d-apis',
      `--autoplay-policy=${gesture ? 'document-user-activation-required' : 'no-user-gesture-required'}`,
      '--allow-loopback-in-peer-connection',
      '--use-fake-ui-for-media-stream',
      '--use-fake-device-for-media-stream',
      '--js-flags=--expose-gc',
      ...(camera ? [`--use-file-for-fake-video-capture=${camera}`] : []),
      ...GPU_FLAGS[gpu],
    ],
  });
}

/**
 * Starts a headless Firefox.
 * @param preferences what else it is to have in `about:config`
 */
export function launchFirefox(preferences: Readonly<Record<string, boolean | number>> = {}): Promise<Browser> {
  return puppeteer.launch({
    browser: 'firefox',
    executablePath: findBrowser('firefox'),
    headless: true,
    protocolTimeout: 300_000,
    extraPrefsFirefox: {
      'media.autoplay.default': 0,
      'media.navigator.permission.disabled': true,
      'media.navigator.streams.fake': true,
      // Without a sound card an audio context would never run.
      'media.cubeb.force_mock_context': true,
      'dom.webgpu.enabled': true,
      'gfx.webgpu.ignore-blocklist': true,
      ...preferences,
    },
  });
}

/** What pages are opened in: a browser, or a context of one that others use too. */
export interface PageOpener {
  newPage(): Promise<Page>;
  close(): Promise<void>;
}

/** A page that runs our test modules. `log` collects what it writes to its console. */
export async function openPage(browser: PageOpener, url: string): Promise<{ page: Page; log: string[] }> {
  const page = await browser.newPage();
  const log: string[] = [];
  page.on('console', (message) => log.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => log.push(`error: ${error}`));
  await page.goto(url);
  return { page, log };
}

/**
 * Runs one exported function of a module of `test/pages` in the page and gives back what it returns.
 * @param module file name in `test/pages`, without extension
 */
export function inPage<T>(page: Page, module: string, name: string, ...args: unknown[]): Promise<T> {
  // As text, because the test runner would rewrite the import of a function.
  const call = `import('/test/pages/${module}.ts').then((page) => page['${name}'](...${JSON.stringify(args)}))`;
  return page.evaluate(call) as Promise<T>;
}
