/** Deterministic order: the same on every machine, for any number of workers, at any position without replay. */

/** A well-mixed 32-bit hash of three words (murmur3's finaliser, chained). */
export function hash32(a: number, b: number, c: number): number {
  let h = 0x9e3779b9 ^ a;
  for (const word of [b, c, a]) {
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    h ^= (h >>> 16) ^ word;
  }
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Position `i` of a random permutation of `0..n−1`: a Feistel network on the next even number of bits, walked until inside. */
export function permuted(i: number, n: number, seed: number, epoch: number): number {
  if (n <= 1) return 0;
  const bits = Math.ceil(Math.log2(n));
  const half = Math.max(1, (bits + 1) >> 1);
  const base = 2 ** half;
  let x = i;
  do {
    let left = Math.floor(x / base);
    let right = x % base;
    for (let round = 0; round < 6; round++) {
      const next = (left ^ (hash32(seed, epoch * 8 + round, right) % base)) >>> 0;
      left = right;
      right = next;
    }
    x = left * base + right;
  } while (x >= n);
  return x;
}
