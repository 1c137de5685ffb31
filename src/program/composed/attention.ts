/**
 * Attention of plain operations, a block of query rows at a time against the keys that it can see, so that neither all
 * scores exist at once nor the masked half is computed.
 */
import type { AttentionSpec } from "../algebra.js";
import type { Scope } from "./scope.js";

const ROWS = 128;
const NEGATIVE = -1e30;

interface Block {
  readonly row: number;
  readonly rows: number;
  readonly key: number;
  readonly keys: number;
}

function blocksOf(s: AttentionSpec): readonly Block[] {
  const shift = s.keys - s.rows;
  return Array.from({ length: Math.ceil(s.rows / ROWS) }, (_, i) => {
    const row = i * ROWS;
    const rows = Math.min(ROWS, s.rows - row);
    const last = s.causal ? Math.min(s.keys, row + rows + shift) : s.keys;
    const key = s.window > 0 ? Math.max(0, row + shift - s.window + 1) : 0;
    return { row, rows, key, keys: last - key };
  });
}

/** [batch · length, heads · dim] → [batch, heads, length, dim] */
const byHead = <P>(f: Scope<P>, x: P, batch: number, heads: number, dim: number): P =>
  f.transpose(f.as(x, [batch, f.shape(x)[0]! / batch, heads, dim]), [0, 2, 1, 3]);

/** 0 where the block's queries may look, −1e30 elsewhere; undefined: everywhere. [rows, keys] or [batch, 1, rows, keys]. */
function maskOf<P>(f: Scope<P>, segments: P | undefined, s: AttentionSpec, b: Block): P | undefined {
  const shift = s.keys - s.rows;
  let mask: P | undefined;
  if (s.causal || s.window > 0) {
    const values = new Float32Array(b.rows * b.keys);
    for (let i = 0; i < b.rows; i++) {
      const row = values.subarray(i * b.keys, (i + 1) * b.keys);
      const at = b.row + i + shift - b.key;
      if (s.causal) row.subarray(Math.min(b.keys, at + 1)).fill(NEGATIVE);
      if (s.window > 0) row.subarray(0, Math.max(0, at - s.window + 1)).fill(NEGATIVE);
    }
    mask = f.floats(values, [b.rows, b.keys]);
  }
  if (segments === undefined) return mask;
  const all = f.as(segments, [s.batch, s.keys]);
  const mine = f.as(f.slice(all, 1, b.row + shift, b.rows), [s.batch, 1, b.rows, 1]);
  const theirs = f.as(f.slice(all, 1, b.key, b.keys), [s.batch, 1, 1, b.keys]);
  const apart = f.mul(f.cast(f.equal(mine, theirs)), -NEGATIVE);
  const own = f.add(apart, NEGATIVE);
  return mask === undefined ? own : f.min(own, mask);
}

interface Parts<P> {
  readonly q: P;
  readonly k: P;
  readonly v: P;
}

/** A block's queries, keys and values, [batch · kvHeads, …, dim]. */
function partsOf<P>(f: Scope<P>, { q, k, v }: Parts<P>, s: AttentionSpec, b: Block): Parts<P> {
  const n = s.batch * s.kvHeads;
  return {
    q: f.as(f.slice(q, 2, b.row, b.rows), [n, (s.heads / s.kvHeads) * b.rows, s.dim]),
    k: f.as(f.slice(k, 2, b.key, b.keys), [n, b.keys, s.dim]),
    v: f.as(f.slice(v, 2, b.key, b.keys), [n, b.keys, s.valueDim]),
  };
}

/** Masked scores [batch, heads, rows, keys]; where they are capped, also tanh(score / cap). */
function scoresOf<P>(f: Scope<P>, { q, k }: Parts<P>, segments: P | undefined, s: AttentionSpec, b: Block) {
  let scores = f.matmul(q, k, false, true);
  let bent: P | undefined;
  if (s.cap > 0) {
    bent = f.unary("tanh", f.mul(scores, 1 / s.cap));
    f.drop(scores);
    scores = f.mul(bent, s.cap);
  }
  const shape = [s.batch, s.heads, b.rows, b.keys];
  const mask = maskOf(f, segments, s, b);
  if (mask === undefined) return { scores: f.as(scores, shape), bent };
  return { scores: f.add(f.as(scores, shape), mask), bent };
}

/** Queries scaled, all three by head. */
function prepared<P>(f: Scope<P>, q: P, k: P, v: P, s: AttentionSpec): Parts<P> {
  return {
    q: byHead(f, f.mul(q, s.scale), s.batch, s.heads, s.dim),
    k: byHead(f, k, s.batch, s.kvHeads, s.dim),
    v: byHead(f, v, s.batch, s.kvHeads, s.valueDim),
  };
}

/** [batch · kvHeads, group · rows, dim] → [batch, rows, heads, dim] */
const byRow = <P>(f: Scope<P>, x: P, s: AttentionSpec, rows: number, dim: number): P =>
  f.transpose(f.as(x, [s.batch, s.heads, rows, dim]), [0, 2, 1, 3]);

/** o [batch, rows, heads, valueDim] and lse [batch, heads, rows, 1]. */
export function attend<P>(
  f: Scope<P>,
  q: P,
  k: P,
  v: P,
  segments: P | undefined,
  s: AttentionSpec,
): { readonly o: P; readonly lse: P } {
  const whole = prepared(f, q, k, v, s);
  const matrices = s.batch * s.kvHeads;
  const done = blocksOf(s).map((b) =>
    f.part((p) => {
      const parts = partsOf(p, whole, s, b);
      const { scores } = scoresOf(p, parts, segments, s, b);
      const top = p.largest(scores, 3);
      const shifted = p.sub(scores, top);
      const e = p.unary("exp", shifted);
      p.drop(shifted);
      const total = p.sum(e, 3);
      const grouped = [matrices, (s.heads / s.kvHeads) * b.rows];
      const sum = p.matmul(p.as(e, [...grouped, b.keys]), parts.v);
      const o = p.div(sum, p.as(total, [...grouped, 1]));
      return [byRow(p, o, s, b.rows, s.valueDim), p.add(p.unary("log", total), top)];
    }),
  );
  const join = (i: number, axis: number): P =>
    f.concat(
      done.map((d) => d[i]!),
      axis,
    );
  return { o: join(0, 1), lse: join(1, 2) };
}

/** dq, dk, dv as [batch, length, heads, dim] each. */
export function attendBackward<P>(
  f: Scope<P>,
  { q, k, v, o, lse, dout, segments }: Parts<P> & { o: P; lse: P; dout: P; segments: P | undefined },
  s: AttentionSpec,
): readonly [dq: P, dk: P, dv: P] {
  const whole = prepared(f, q, k, v, s);
  const dos = byHead(f, dout, s.batch, s.heads, s.valueDim);
  const products = f.as(f.mul(o, dout), [s.batch, s.rows, s.heads, s.valueDim]);
  const delta = f.transpose(f.sum(products, 3), [0, 2, 1, 3]);
  const matrices = s.batch * s.kvHeads;
  const logs = f.as(lse, [s.batch, s.heads, s.rows, 1]);
  const done = blocksOf(s).map((b) =>
    f.part((p) => {
      const parts = partsOf(p, whole, s, b);
      const { scores, bent } = scoresOf(p, parts, segments, s, b);
      const grouped = [matrices, (s.heads / s.kvHeads) * b.rows];
      const shape = [s.batch, s.heads, b.rows, b.keys];
      const shifted = p.sub(scores, p.slice(logs, 2, b.row, b.rows));
      const e = p.unary("exp", shifted);
      p.drop(shifted);
      const dy = p.as(p.slice(dos, 2, b.row, b.rows), [...grouped, s.valueDim]);
      const probabilities = p.as(e, [...grouped, b.keys]);
      const dv = p.matmul(probabilities, dy, true, false);
      const dp = p.matmul(dy, parts.v, false, true);
      const apart = p.sub(p.as(dp, shape), p.slice(delta, 2, b.row, b.rows));
      let ds = p.mul(apart, e);
      p.drop(apart);
      if (bent !== undefined) ds = p.mul(ds, p.as(p.add(p.mul(p.unary("square", bent), -1), 1), shape));
      const d = p.as(ds, [...grouped, b.keys]);
      const dq = p.mul(p.matmul(d, parts.k), s.scale);
      const dk = p.matmul(d, parts.q, true, false);
      const after = s.keys - b.key - b.keys;
      return [byRow(p, dq, s, b.rows, s.dim), p.pad(dk, 1, b.key, after), p.pad(dv, 1, b.key, after)];
    }),
  );
  const add = (i: number): P =>
    done
      .map((d) => d[i] as P)
      .reduce((a, b) => {
        const sum = f.add(a, b);
        f.drop(a, b);
        return sum;
      });
  const turn = (x: P, dim: number): P => f.transpose(f.as(x, [s.batch, s.kvHeads, s.keys, dim]), [0, 2, 1, 3]);
  return [
    f.concat(
      done.map((d) => d[0]!),
      1,
    ),
    turn(add(1), s.dim),
    turn(add(2), s.valueDim),
  ];
}
