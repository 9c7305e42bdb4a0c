/** Element types as NumPy writes them ('<f4': byte order, kind, bytes), and the names that safetensors has for them. */

export interface NumpyType {
  /** 'F32', 'I64', …; NumPy's own name for a type that nothing else here has. */
  readonly dtype: string;
  /** Of one element. */
  readonly bytes: number;
  readonly bigEndian: boolean;
}

const names: ReadonlyMap<string, string> = new Map([
  ['b1', 'BOOL'],
  ['i1', 'I8'],
  ['i2', 'I16'],
  ['i4', 'I32'],
  ['i8', 'I64'],
  ['u1', 'U8'],
  ['u2', 'U16'],
  ['u4', 'U32'],
  ['u8', 'U64'],
  ['f2', 'F16'],
  ['f4', 'F32'],
  ['f8', 'F64'],
]);

/** Bytes of one unit of the size; text counts characters of four bytes. */
const unitBytes: ReadonlyMap<string, number> = new Map([
  ['f', 1], // long double
  ['c', 1],
  ['m', 1],
  ['M', 1],
  ['S', 1],
  ['V', 1],
  ['U', 4],
]);

/** Undefined for what is no type of numbers, text or raw bytes: objects and records are not. */
export function numpyType(text: string): NumpyType | undefined {
  const match = /^([<>|=]?)([a-zA-Z])(\d{1,9})/.exec(text);
  if (!match) return undefined;
  const [whole, order, kind, size] = match;
  const known = whole === text ? names.get(kind + size) : undefined;
  const unit = known === undefined ? unitBytes.get(kind) : 1;
  if (unit === undefined) return undefined;
  return { dtype: known ?? text, bytes: unit * Number(size), bigEndian: order === '>' };
}
