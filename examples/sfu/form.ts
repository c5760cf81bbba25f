import { find } from '../demo/page.js';

/** Where the server is, as `run.mjs` has written it into the pages. */
declare const SERVER_URL: string;

/** What both pages ask for. */
export interface Place {
  readonly server: string;
  readonly stream: string;
  readonly token: string;
}

/** The form of a page, filled in from its address: `?stream=cam&server=http://…`. Tokens do not stand in addresses. */
export function openForm(): HTMLFormElement {
  const form = find<HTMLFormElement>('controls');
  const address = new URL(location.href).searchParams;
  const preset: Record<string, string> = { server: SERVER_URL, stream: 'demo', ...Object.fromEntries(address) };
  for (const field of form.elements) {
    const { name } = field as HTMLInputElement;
    const value = Object.hasOwn(preset, name) && name !== 'token' && name !== 'file' ? preset[name] : undefined;
    if (value !== undefined && 'value' in field) (field as HTMLInputElement).value = value;
  }
  return form;
}

/** What a field says. */
export function fieldOf(form: HTMLFormElement, name: string): string {
  const value = new FormData(form).get(name);
  return typeof value === 'string' ? value.trim() : '';
}

/** @throws SyntaxError when the server's address is none */
export function placeOf(form: HTMLFormElement): Place {
  const server = fieldOf(form, 'server');
  if (!/^https?:/.test(server) || !URL.canParse(server)) {
    throw new SyntaxError('The server has an address like http://127.0.0.1:8080.');
  }
  return { server, stream: fieldOf(form, 'stream'), token: fieldOf(form, 'token') };
}

/** `/whip/cam` at the server. */
export function endpoint({ server, stream }: Place, path: string): URL {
  return new URL(`${path}/${encodeURIComponent(stream)}`, server);
}

/** The button of a form runs something, and stops it: so does leaving the page. `label` stands on it while nothing runs. */
export function runByForm(form: HTMLFormElement, label: string, run: (signal: AbortSignal) => Promise<void>): void {
  const button = find<HTMLButtonElement>('go');
  let stopping: AbortController | undefined;
  const start = async (): Promise<void> => {
    stopping = new AbortController();
    button.textContent = 'Stop';
    await run(stopping.signal);
    stopping = undefined;
    button.textContent = label;
  };
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (stopping) stopping.abort();
    else void start();
  });
  addEventListener('pagehide', () => stopping?.abort());
  // Before this, a form would be sent the old way: with all its fields in the page's address.
  button.disabled = false;
}
