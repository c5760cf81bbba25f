/** The path of a browser, installed with apt on Debian as root when there is none. */
export function findBrowser(name: 'chromium' | 'firefox'): string;

/**
 * Installs Debian packages that tests need, where that may be done: on Debian, as root.
 * @returns whether they are installed
 */
export function installWithApt(packages: readonly string[]): boolean;
