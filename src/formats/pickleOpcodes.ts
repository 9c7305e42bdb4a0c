/** The opcodes of pickles that hold data. Those that make instances of classes or read buffers from elsewhere are not among them. */
import type { PickleMachine } from './pickle.js';
import { latin1 } from './pickleInput.js';
import { PickleBytes, PickleDict, PickleList, PickleText, type PickleValue } from './pickleValues.js';

export type Opcode = (machine: PickleMachine) => void | Promise<void>;

/** Longest byte string whose bytes are kept: names and numbers. */
const keptBytes = 256;
/** Longest text that is read; a longer one is no name. */
const keptText = 4096;
/** Longest integer in bytes, and in decimal digits. */
const integerBytes = 256;
const integerDigits = 600;

/** By code. */
export const opcodes: readonly (Opcode | undefined)[] = table();

function table(): readonly (Opcode | undefined)[] {
  const codes = new Array<Opcode | undefined>(256).fill(undefined);
  for (const group of [control(), numbers(), strings(), containers(), memo(), objects()]) {
    for (const [code, opcode] of group) codes[typeof code === 'string' ? code.charCodeAt(0) : code] = opcode;
  }
  return codes;
}

type Group = readonly (readonly [code: string | number, opcode: Opcode])[];

function control(): Group {
  return [
    // PROTO
    [
      0x80,
      (m) => {
        const protocol = m.input.byte();
        if (protocol > 5) throw m.fail(`protocol ${protocol}, known are those up to 5`);
      },
    ],
    // FRAME: how the bytes are grouped does not matter here.
    [0x95, (m) => void m.input.count(8)],
    // STOP
    [
      '.',
      (m) => {
        m.result = m.pop();
      },
    ],
    // POP, POP_MARK, DUP, MARK
    ['0', (m) => void m.pop()],
    ['1', (m) => void m.popMark()],
    ['2', (m) => m.push(m.top())],
    ['(', (m) => m.mark()],
  ];
}

function numbers(): Group {
  return [
    // NONE, NEWTRUE, NEWFALSE
    ['N', (m) => m.push(null)],
    [0x88, (m) => m.push(true)],
    [0x89, (m) => m.push(false)],
    // INT, where protocol 0 has its booleans too, and LONG: decimal
    [
      'I',
      async (m) => {
        const text = await m.input.line();
        m.push(text === '01' ? true : text === '00' ? false : decimal(m, text));
      },
    ],
    ['L', async (m) => m.push(decimal(m, (await m.input.line()).replace(/L$/, '')))],
    // BININT, BININT1, BININT2
    ['J', (m) => m.push(m.input.int32())],
    ['K', (m) => m.push(m.input.byte())],
    ['M', (m) => m.push(m.input.count(2))],
    // LONG1, LONG4
    [0x8a, (m) => integer(m, m.input.byte())],
    [0x8b, (m) => integer(m, m.input.count(4))],
    // FLOAT, BINFLOAT
    [
      'F',
      async (m) => {
        const text = await m.input.line();
        const value = Number(text.replace(/^([+-]?)inf$/, '$1Infinity'));
        if (Number.isNaN(value) && text !== 'nan') throw m.fail(`${JSON.stringify(text.slice(0, 40))} is no float`);
        m.push(value);
      },
    ],
    ['G', (m) => m.push(m.input.double())],
  ];
}

function strings(): Group {
  return [
    // STRING: a str of Python 2 as its repr
    ['S', async (m) => shortBytes(m, unquoted(m, await m.input.line()))],
    // BINSTRING, SHORT_BINSTRING, BINBYTES, SHORT_BINBYTES, BINBYTES8, BYTEARRAY8
    ['T', (m) => bytes(m, m.input.count(4))],
    ['U', (m) => bytes(m, m.input.byte())],
    ['B', (m) => bytes(m, m.input.count(4))],
    ['C', (m) => bytes(m, m.input.byte())],
    [0x8e, (m) => bytes(m, m.input.count(8))],
    [0x96, (m) => bytes(m, m.input.count(8))],
    // UNICODE: Latin-1 with \u and \U for the rest
    ['V', async (m) => m.pushObject(unescaped(m, await m.input.line()))],
    // BINUNICODE, SHORT_BINUNICODE, BINUNICODE8
    ['X', (m) => text(m, m.input.count(4))],
    [0x8c, (m) => text(m, m.input.byte())],
    [0x8d, (m) => text(m, m.input.count(8))],
  ];
}

function containers(): Group {
  const sequence = (kind: PickleList['kind'], items: (m: PickleMachine) => PickleValue[]): Opcode => {
    return (m) => m.pushObject(new PickleList(items(m), kind));
  };
  const tuple = (count: number) => sequence('tuple', (m) => Array.from({ length: count }, () => m.pop()).reverse());
  return [
    // EMPTY_LIST, LIST, APPEND, APPENDS
    [']', sequence('list', () => [])],
    ['l', sequence('list', (m) => m.popMark())],
    [
      'a',
      (m) => {
        const item = m.pop();
        m.append([item], 'list');
      },
    ],
    ['e', (m) => m.append(m.popMark(), 'list')],
    // EMPTY_TUPLE, TUPLE, TUPLE1, TUPLE2, TUPLE3
    [')', tuple(0)],
    ['t', sequence('tuple', (m) => m.popMark())],
    [0x85, tuple(1)],
    [0x86, tuple(2)],
    [0x87, tuple(3)],
    // EMPTY_SET, ADDITEMS, FROZENSET
    [0x8f, sequence('set', () => [])],
    [0x90, (m) => m.append(m.popMark(), 'set')],
    [0x91, sequence('set', (m) => m.popMark())],
    // EMPTY_DICT, DICT, SETITEM, SETITEMS
    ['}', (m) => m.pushObject(new PickleDict())],
    [
      'd',
      (m) => {
        const items = m.popMark();
        m.pushObject(new PickleDict());
        m.setItems(items);
      },
    ],
    [
      's',
      (m) => {
        const value = m.pop();
        const key = m.pop();
        m.setItems([key, value]);
      },
    ],
    ['u', (m) => m.setItems(m.popMark())],
  ];
}

function memo(): Group {
  return [
    // PUT, BINPUT, LONG_BINPUT, MEMOIZE
    ['p', async (m) => m.put(await index(m))],
    ['q', (m) => m.put(m.input.byte())],
    ['r', (m) => m.put(m.input.count(4))],
    [0x94, (m) => m.memoize()],
    // GET, BINGET, LONG_BINGET
    ['g', async (m) => m.get(await index(m))],
    ['h', (m) => m.get(m.input.byte())],
    ['j', (m) => m.get(m.input.count(4))],
  ];
}

function objects(): Group {
  return [
    // GLOBAL, STACK_GLOBAL
    [
      'c',
      async (m) => {
        const module = await m.input.line();
        m.global(module, await m.input.line());
      },
    ],
    [0x93, (m) => m.globalFromStack()],
    // REDUCE, and NEWOBJ: a class called with arguments
    ['R', (m) => m.reduce()],
    [0x81, (m) => m.reduce()],
    // BUILD, BINPERSID
    ['b', (m) => m.build()],
    ['Q', (m) => m.persistent()],
  ];
}

async function index(m: PickleMachine): Promise<number> {
  const line = await m.input.line();
  if (!/^\d{1,10}$/.test(line)) throw m.fail(`${JSON.stringify(line.slice(0, 40))} is no index of the memo`);
  return Number(line);
}

function decimal(m: PickleMachine, digits: string): number | bigint {
  if (digits.length > integerDigits || !/^[+-]?\d+$/.test(digits)) {
    throw m.fail(`${JSON.stringify(digits.slice(0, 40))} is no integer of up to ${integerDigits} digits`);
  }
  return narrowed(BigInt(digits.replace(/^\+/, '')));
}

/** Little endian, in two's complement. */
function integer(m: PickleMachine, length: number): void {
  if (length > integerBytes) throw m.fail(`an integer of ${length} bytes, known are those up to ${integerBytes}`);
  let value = 0n;
  for (let i = 0; i < length; i++) value |= BigInt(m.input.byte()) << BigInt(8 * i);
  m.push(narrowed(BigInt.asIntN(8 * length, value)));
}

function narrowed(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

async function bytes(m: PickleMachine, length: number): Promise<void> {
  const offset = m.input.position;
  if (length > keptBytes) {
    m.input.skip(length);
    m.pushObject(new PickleBytes(length, offset, undefined));
  } else {
    if (!m.input.has(length)) await m.input.fill();
    m.pushObject(new PickleBytes(length, offset, latin1(m.input.take(length))));
  }
}

function shortBytes(m: PickleMachine, content: string): void {
  m.pushObject(new PickleBytes(content.length, undefined, content));
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

async function text(m: PickleMachine, length: number): Promise<void> {
  if (length > keptText) {
    const { position } = m.input;
    m.input.skip(length);
    m.pushObject(new PickleText(length, position));
    return;
  }
  if (!m.input.has(length)) await m.input.fill();
  const raw = m.input.take(length);
  try {
    m.pushObject(utf8.decode(raw));
  } catch (error) {
    throw error instanceof TypeError ? m.fail('a text that is not UTF-8') : error;
  }
}

const escapes: ReadonlyMap<string, string> = new Map([
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['\\', '\\'],
  ["'", "'"],
  ['"', '"'],
]);

/** The bytes of a repr such as 'conv1' or "\x00\n". */
function unquoted(m: PickleMachine, repr: string): string {
  const quote = repr[0];
  if (repr.length < 2 || (quote !== "'" && quote !== '"') || repr.at(-1) !== quote)
    throw m.fail('a str without quotes');
  return repr.slice(1, -1).replace(/\\(x[0-9a-f]{2}|[^x]|x|$)/gi, (whole, code: string) => {
    const known = escapes.get(code) ?? (code.length === 3 ? String.fromCharCode(Number(`0${code}`)) : undefined);
    if (known === undefined) throw m.fail(`the escape ${JSON.stringify(whole)} in a str`);
    return known;
  });
}

function unescaped(m: PickleMachine, raw: string): string {
  return raw.replace(/\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})/g, (whole, short?: string, long?: string) => {
    const code = Number.parseInt(short ?? (long as string), 16);
    if (code > 0x10ffff) throw m.fail(`the escape ${whole} in a text`);
    return String.fromCodePoint(code);
  });
}
