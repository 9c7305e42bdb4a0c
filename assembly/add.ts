import { at, lineStart, pointer, word } from './lib/args';

/** c = a + b. Arguments: a, b, c, count. */
export function add(args: usize, share: i32, shares: i32): void {
  const count = word(args, 3);
  const first = lineStart(count, share, shares);
  let a = at(pointer(args, 0), first);
  let b = at(pointer(args, 1), first);
  let c = at(pointer(args, 2), first);
  const end = at(pointer(args, 0), lineStart(count, share + 1, shares));
  for (; a + 16 <= end; a += 16, b += 16, c += 16) v128.store(c, f32x4.add(v128.load(a), v128.load(b)));
  for (; a < end; a += 4, b += 4, c += 4) store<f32>(c, load<f32>(a) + load<f32>(b));
}
