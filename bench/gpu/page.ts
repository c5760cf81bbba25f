import type { Adapter } from './adapter.js';
import {
  basisText,
  COLUMNS,
  failuresOf,
  headline,
  limitsText,
  precisionText,
  type Report,
  reportText,
  rowsOf,
  sizeText,
} from './report.js';

function make(name: string, text: string, className = ''): HTMLElement {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

const element = (id: string): HTMLElement => document.getElementById(id) as HTMLElement;

/** Shows what the browser runs on. */
export function showAdapter(adapter: Adapter): void {
  const { name, remark, features, identity } = adapter;
  element('adapter').textContent = remark ? `${name} (${remark})` : name;
  const facts: [string, string][] = [
    ['Maker', [identity.vendor, identity.architecture, identity.device].filter(Boolean).join(', ') || 'not told'],
    ['Features', [...features.has, ...features.lacks.map((feature) => `no ${feature}`)].join(', ')],
    ['Limits', limitsText(adapter)],
  ];
  element('facts').replaceChildren(...facts.flatMap(([term, text]) => [make('dt', term), make('dd', text)]));
}

/** Shows what has been found so far, as a table and as text. */
export function showReport(report: Report): void {
  element('results').hidden = false;
  element('copied').textContent = '';
  element('headline').textContent = headline(report);
  const head = document.createElement('tr');
  head.append(...COLUMNS.map(({ name, left }) => make('th', name, left ? 'left' : '')));
  const rows = rowsOf(report).map((row) => {
    const line = document.createElement('tr');
    const classOf = (name: string, left?: boolean) => (left ? 'left' : name === 'ORT/ours' ? 'strong' : '');
    line.append(...COLUMNS.map(({ name, text, left }) => make('td', text(row), classOf(name, left))));
    return line;
  });
  const failures = failuresOf(report).map(({ of, reason }) => {
    const line = document.createElement('tr');
    const cell = make('td', reason, 'left failed') as HTMLTableCellElement;
    cell.colSpan = COLUMNS.length - 3;
    const texts = [of.name, sizeText(of), precisionText(of.precision)];
    line.append(...texts.map((text) => make('td', text, 'left')), cell);
    return line;
  });
  element('table').replaceChildren(head, ...rows, ...failures);
  element('text').textContent = reportText(report);
  element('facts')
    .querySelectorAll('.basis')
    .forEach((old) => void old.remove());
  element('facts').append(
    ...report.bases.flatMap((basis) => [
      make('dt', `In ${precisionText(basis.precision)}`, 'basis'),
      make('dd', basisText(basis).replace(/^\w+: /, ''), 'basis'),
    ]),
  );
}
