/** Literals of Python, as far as headers of .npy files have them: dictionaries, tuples, lists, strings, integers, True, False, None. */

export type PythonValue = null | boolean | number | string | readonly PythonValue[] | ReadonlyMap<string, PythonValue>;

/** Nested brackets that are believed. */
const mostLevels = 16;

/** A string, an integer (Python 2 has an L behind some), a word, or one of the brackets and marks between them. */
const token = /\s*(?:'([^'\\]*)'|"([^"\\]*)"|(-?\d{1,16})L?|(True|False|None)|([{}()[\],:]))\s*/y;

const words: ReadonlyMap<string, null | boolean> = new Map([
  ['True', true],
  ['False', false],
  ['None', null],
]);

class Mark {
  constructor(readonly text: string) {}
}

/** The value of a text that is one literal; undefined for any other text. */
export function parsePython(text: string): PythonValue | undefined {
  let at = 0;
  const next = (): Mark | PythonValue | undefined => {
    token.lastIndex = at;
    const match = token.exec(text);
    if (!match) return undefined;
    at = token.lastIndex;
    const [, single, double, digits, word, mark] = match;
    if (mark !== undefined) return new Mark(mark);
    if (digits !== undefined) return Number(digits);
    return word === undefined ? (single ?? double) : words.get(word);
  };
  const value = (first: Mark | PythonValue | undefined, level: number): PythonValue | undefined => {
    if (!(first instanceof Mark)) return first;
    if (level === mostLevels) return undefined;
    if (first.text === '{') return dictionary(level);
    if (first.text === '(') return sequence(')', level);
    return first.text === '[' ? sequence(']', level) : undefined;
  };
  const isMark = (found: Mark | PythonValue | undefined, mark: string) => found instanceof Mark && found.text === mark;
  const sequence = (close: string, level: number): PythonValue | undefined => {
    const items: PythonValue[] = [];
    for (;;) {
      const first = next();
      if (isMark(first, close)) return items;
      const item = value(first, level + 1);
      if (item === undefined) return undefined;
      items.push(item);
      const after = next();
      if (isMark(after, close)) return close === ')' && items.length === 1 ? item : items;
      if (!isMark(after, ',')) return undefined;
    }
  };
  const dictionary = (level: number): PythonValue | undefined => {
    const entries = new Map<string, PythonValue>();
    for (;;) {
      const key = next();
      if (isMark(key, '}')) return entries;
      if (typeof key !== 'string' || !isMark(next(), ':')) return undefined;
      const item = value(next(), level + 1);
      if (item === undefined) return undefined;
      entries.set(key, item);
      const after = next();
      if (isMark(after, '}')) return entries;
      if (!isMark(after, ',')) return undefined;
    }
  };
  const found = value(next(), 0);
  return at === text.length ? found : undefined;
}
