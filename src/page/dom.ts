/** Small helpers for making a page out of data. */
import type { Column } from '../cli/lib/table.js';

/** The element that a selector finds, which is there and of that class. */
export function find<T extends Element>(within: ParentNode, selector: string, type: new () => T): T {
  const element = within.querySelector(selector);
  if (!(element instanceof type)) throw new Error(`the page has no ${type.name} at '${selector}'`);
  return element;
}

/** A new element with a class and content; text is never taken for HTML. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className: string,
  ...content: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (className !== '') element.className = className;
  element.append(...content);
  return element;
}

/** What stands in a form's field of that name; '' where there is none. */
export function textOf(form: HTMLFormElement, name: string): string {
  return String(new FormData(form).get(name) ?? '');
}

export function numberOf(form: HTMLFormElement, name: string): number {
  return Number(textOf(form, name));
}

/** The values of all boxes of that name that are ticked. */
export function textsOf(form: HTMLFormElement, name: string): readonly string[] {
  return new FormData(form).getAll(name).map(String);
}

/** A table that scrolls by itself where the screen is too narrow. */
export function makeTable(
  columns: readonly Column[],
  rows: readonly (readonly (Node | string)[])[],
  title = '',
): HTMLElement {
  const alignment = (i: number): string => (columns[i].align === 'right' ? 'figure' : '');
  const line = (tag: 'th' | 'td', cells: readonly (Node | string)[]) =>
    make('tr', '', ...cells.map((cell, i) => make(tag, alignment(i), cell)));
  const head = make(
    'thead',
    '',
    line(
      'th',
      columns.map((column) => column.title),
    ),
  );
  const table = make('table', '', head, make('tbody', '', ...rows.map((row) => line('td', row))));
  if (title !== '') table.prepend(make('caption', '', title));
  return make('div', 'scroll', table);
}

export const left = (title: string): Column => ({ title, align: 'left' });
export const right = (title: string): Column => ({ title, align: 'right' });

/** A link that saves data as a JSON file. */
export function makeDownload(name: string, data: unknown): HTMLAnchorElement {
  const link = make('a', 'download', 'Download JSON');
  link.download = name;
  link.href = URL.createObjectURL(new Blob([`${JSON.stringify(data, null, 2)}\n`], { type: 'application/json' }));
  return link;
}
