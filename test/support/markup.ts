/** A strict reader of the HTML and SVG that Tandem writes: enough to see that every tag is closed and every attribute quoted. */

export interface MarkupElement {
  readonly tag: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly MarkupElement[];
  /** All text within, entities resolved. */
  readonly text: string;
}

interface Open {
  readonly tag: string;
  readonly attributes: Record<string, string>;
  readonly children: MarkupElement[];
  text: string;
}

const voidTags = new Set(['meta', 'img', 'br', 'link']);
/** What is in them is text, whatever it looks like. */
const rawTags = new Set(['style', 'script']);
const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"' };

const tagPattern = /<(\/?)([a-z][a-z0-9]*)((?: [a-zA-Z][\w:-]*="[^"<]*")*)(\/?)>/y;

function resolve(text: string): string {
  if (/[<>]/.test(text)) throw new Error(`a stray bracket in '${text.slice(0, 80)}'`);
  return text.replace(/&(\w*;?)/g, (whole, name: string) => {
    const found = entities[name.replace(/;$/, '')];
    if (found === undefined || !name.endsWith(';')) throw new Error(`'${whole}' is no entity`);
    return found;
  });
}

/** @throws Error saying what is not well formed */
export function parseMarkup(source: string): MarkupElement {
  const root: Open = { tag: '', attributes: {}, children: [], text: '' };
  const open: Open[] = [root];
  let at = source.startsWith('<!doctype html>') ? '<!doctype html>'.length : 0;
  const close = (element: Open) => {
    const parent = open[open.length - 1];
    parent.children.push(element);
    parent.text += element.text;
  };
  while (at < source.length) {
    const current = open[open.length - 1];
    if (rawTags.has(current.tag)) {
      const end = source.indexOf(`</${current.tag}>`, at);
      if (end < 0) throw new Error(`<${current.tag}> is not closed`);
      current.text += source.slice(at, end);
      at = end;
    }
    if (source[at] !== '<') {
      const end = source.indexOf('<', at);
      current.text += resolve(source.slice(at, end < 0 ? undefined : end));
      at = end < 0 ? source.length : end;
      continue;
    }
    tagPattern.lastIndex = at;
    const tag = tagPattern.exec(source);
    if (!tag) throw new Error(`not a tag: '${source.slice(at, at + 80)}'`);
    at += tag[0].length;
    const [, end, name, list, empty] = tag;
    if (end) {
      const element = open.pop() as Open;
      if (element.tag !== name) throw new Error(`<${element.tag}> is closed by </${name}>`);
      close(element);
      continue;
    }
    const attributes: Record<string, string> = {};
    for (const [, key, value] of list.matchAll(/ ([a-zA-Z][\w:-]*)="([^"]*)"/g)) {
      if (key in attributes) throw new Error(`<${name}> has two of ${key}`);
      attributes[key] = resolve(value);
    }
    const element: Open = { tag: name, attributes, children: [], text: '' };
    if (empty || voidTags.has(name)) close(element);
    else open.push(element);
  }
  if (open.length > 1) throw new Error(`<${open[open.length - 1].tag}> is not closed`);
  return root;
}

/** All elements of a tag below one, in the order of the document. */
export function findAll(element: MarkupElement, tag: string): readonly MarkupElement[] {
  return element.children.flatMap((child) => [...(child.tag === tag ? [child] : []), ...findAll(child, tag)]);
}

/** The elements of a class below one. */
export function findClass(element: MarkupElement, name: string): readonly MarkupElement[] {
  return element.children.flatMap((child) => [
    ...(child.attributes.class?.split(' ').includes(name) ? [child] : []),
    ...findClass(child, name),
  ]);
}
