/**
 * A URL, or nothing where it is none. Not `URL.canParse`: once optimised, Node 20's says yes to Latin-1 strings that
 * `new URL` then refuses.
 */
export function parseUrl(text: string): URL | undefined {
  try {
    return new URL(text);
  } catch {
    return undefined;
  }
}
