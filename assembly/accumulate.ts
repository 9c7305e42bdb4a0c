import { at, lineStart, pointer, word } from './lib/args';

/** sum ← keep ? sum + x : x. Arguments: sum, x, keep (address), result, count. */
export function accumulate(args: usize, share: i32, shares: i32): void {
  const count = word(args, 4);
  const first = lineStart(count, share, shares);
  let sum = at(pointer(args, 0), first);
  let x = at(pointer(args, 1), first);
  const adds = load<f32>(pointer(args, 2)) != 0;
  let to = at(pointer(args, 3), first);
  const end = at(pointer(args, 0), lineStart(count, share + 1, shares));
  if (!adds) {
    memory.copy(to, x, end - sum);
    return;
  }
  for (; sum + 16 <= end; sum += 16, x += 16, to += 16) v128.store(to, f32x4.add(v128.load(sum), v128.load(x)));
  for (; sum < end; sum += 4, x += 4, to += 4) store<f32>(to, load<f32>(sum) + load<f32>(x));
}
