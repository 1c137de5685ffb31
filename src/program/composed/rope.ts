/** Rotary embeddings of plain operations; see RopeSpec. */
import type { RopeSpec } from "../algebra.js";
import type { Scope } from "./scope.js";

/** x [tokens, heads · dim]; cos, sin [positions, rotary / 2]; `sign` −1 rotates back. Gives [tokens, heads, dim]. */
export function rotated<P>(f: Scope<P>, x: P, cos: P, sin: P, positions: P, s: RopeSpec, sign: 1 | -1): P {
  const tokens = f.shape(x)[0]!;
  const half = s.rotary / 2;
  const all = f.as(x, [tokens, s.heads, s.dim]);
  const [cs, sn] = [cos, sin].map((table) => f.own(f.on.gather(table, positions)));
  const inner = f.slice(all, 2, s.start, s.rotary);
  const shape = s.interleaved ? [tokens, s.heads, half, 2] : [tokens, s.heads, 2, half];
  const axis = s.interleaved ? 3 : 2;
  const pairs = f.as(inner, shape);
  const one = s.interleaved ? [tokens, s.heads, half, 1] : [tokens, s.heads, 1, half];
  const table = s.interleaved ? [tokens, 1, half, 1] : [tokens, 1, 1, half];
  const c = f.as(cs!, table);
  const sine = f.as(sn!, table);
  const a = f.as(f.slice(pairs, axis, 0, 1), one);
  const b = f.as(f.slice(pairs, axis, 1, 1), one);
  const [first, second] =
    sign > 0
      ? [f.sub(f.mul(a, c), f.mul(b, sine)), f.add(f.mul(b, c), f.mul(a, sine))]
      : [f.add(f.mul(a, c), f.mul(b, sine)), f.sub(f.mul(b, c), f.mul(a, sine))];
  const joined = f.concat([first, second], axis);
  const end = s.start + s.rotary;
  const sides = [
    ...(s.start > 0 ? [f.slice(all, 2, 0, s.start)] : []),
    f.as(joined, [tokens, s.heads, s.rotary]),
    ...(end < s.dim ? [f.slice(all, 2, end, s.dim - end)] : []),
  ];

  return sides.length === 1 ? joined : f.concat(sides, 2);
}
