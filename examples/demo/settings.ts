import type { BrowserUpscaleOptions } from 'mana-upscale';
import type { LoopbackOptions } from './loopback.js';
import type { Size } from './source.js';

export type SourceKind = 'scene' | 'camera' | 'screen' | 'file' | 'remote';

/** What the person has chosen. */
export interface Settings {
  readonly source: SourceKind;
  readonly size: Size;
  readonly file: File | null;
  readonly sender: 'scene' | 'camera';
  readonly loopback: LoopbackOptions;
  readonly upscale: Required<
    Pick<BrowserUpscaleOptions, 'scale' | 'model' | 'lookahead' | 'backend' | 'budgetMs' | 'minFrameRate'>
  >;
}

/** Names of the settings that change the source; the others start only the upscaler again. */
export const SOURCE_SETTINGS: readonly string[] = ['source', 'file', 'sender', 'kbps', 'downBy', 'size'];

/** Reads the form. */
export function readSettings(form: HTMLFormElement): Settings {
  const data = new FormData(form);
  const text = (name: string): string => String(data.get(name) ?? '');
  const [width = 160, height = 90] = text('size').split('x').map(Number);
  const file = data.get('file');
  return {
    source: text('source') as SourceKind,
    size: { width, height },
    file: file instanceof File && file.size > 0 ? file : null,
    sender: text('sender') as Settings['sender'],
    loopback: { maxBitrate: Number(text('kbps')) * 1000, scaleResolutionDownBy: Number(text('downBy')) },
    upscale: {
      scale: Number(text('scale')),
      model: text('model'),
      lookahead: Number(text('lookahead')),
      backend: text('backend') as Settings['upscale']['backend'],
      budgetMs: Number(text('budgetMs')),
      minFrameRate: Number(text('minFrameRate')),
    },
  };
}

/** Shows only the fields that the chosen source has. */
export function showFields(form: HTMLFormElement, source: SourceKind): void {
  for (const field of form.querySelectorAll<HTMLElement>('[data-for]')) field.hidden = field.dataset['for'] !== source;
}

/** Makes the form say which source is shown. */
export function setSource(form: HTMLFormElement, source: SourceKind): void {
  const field = form.elements.namedItem('source');
  if (field instanceof HTMLSelectElement) field.value = source;
  showFields(form, source);
}

/** Takes settings from the page's address, as in `?size=320x180&model=mana-live-x2`. */
export function presetFromAddress(form: HTMLFormElement, address: URL): void {
  for (const [name, value] of address.searchParams) {
    const field = form.elements.namedItem(name);
    if (!(field instanceof HTMLSelectElement)) continue;
    if ([...field.options].some((option) => option.value === value)) field.value = value;
  }
}

/** Chooses a larger picture where there is a graphics processor, unless the address names a size. */
export async function presetFromMachine(form: HTMLFormElement, address: URL): Promise<void> {
  if (address.searchParams.has('size') || !('gpu' in navigator)) return;
  const adapter = await navigator.gpu.requestAdapter().catch(() => null);
  const field = form.elements.namedItem('size');
  if (adapter && !adapter.info.isFallbackAdapter && field instanceof HTMLSelectElement) field.value = '320x180';
}
