/** From Philox words to numbers of a wanted distribution, in float64: what initial weights, colour noise and test data are drawn with. */

/** FNV-1a, 32 bits, over the UTF-16 units of a name: streams are told apart by what they are for. */
export function hashName(name: string): number {
  let state = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) state = Math.imul(state ^ name.charCodeAt(i), 0x01000193);
  return state >>> 0;
}

/** A random word as the middle of one of 2³² equal parts of (0, 1). */
export function unit(word: number): number {
  return (word + 0.5) / 2 ** 32;
}

/**
 * Box and Muller 1958: with radius and angle from two independent words, radius·cos(angle) and radius·sin(angle) are
 * independent normal deviates N(0, 1).
 */
export function normalRadius(word: number): number {
  return Math.sqrt(-2 * Math.log(unit(word)));
}

export function normalAngle(word: number): number {
  return 2 * Math.PI * unit(word);
}
