/** The path of a browser, installed with apt on Debian as root when there is none. */
export function findBrowser(name: 'chromium' | 'firefox'): string;
