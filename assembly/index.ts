export { Kernel, run } from './lib/tape';
export { peak } from './peak';

/** First address behind the static data. */
export function heapBase(): usize {
  return __heap_base;
}
