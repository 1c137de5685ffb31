// Attention for grouped query heads, a block of 64 query rows at a time, so that scores never exist as a whole
// (Dao et al. 2022). q [batch·rows, heads·dim], k [batch·keys, kvHeads·dim], v [batch·keys, kvHeads·valueDim].
// Query row i sees keys j ≤ i + keys − rows (causal), j > i + keys − rows − window (window > 0), of its own segment
// (`segments` [batch, keys], 0: all one). `lse` [batch, heads, rows].
// `scratch`: 2 · 64 · keys floats.
import { gemm } from "./gemm";
import { exp4, loadTail, log64, max4, storeTail, sum4, tanh4 } from "./math";

const ROWS: i32 = 64;
const NEGATIVE: f32 = -1e30;

export function attentionScratchBytes(keys: i32): i32 {
  return (2 * ROWS * keys) << 2;
}

// Scores of one block: scaled, capped, masked.
function scoreBlock(
  q: usize,
  strideQ: i32,
  k: usize,
  strideK: i32,
  scores: usize,
  rows: i32,
  first: i32,
  count: i32,
  dim: i32,
  scale: f32,
  cap: f32,
  position: i32,
  causal: bool,
  window: i32,
  segments: usize,
  scratch: usize,
): void {
  gemm(
    rows,
    count,
    dim,
    q,
    strideQ,
    false,
    k + ((<usize>first * <usize>strideK) << 2),
    strideK,
    true,
    scores,
    count,
    scale,
    false,
    scratch,
  );
  if (cap > 0) {
    const c = f32x4.splat(cap);
    const r = f32x4.splat(1 / cap);
    let p = scores;
    const n = rows * count;
    for (let i = n >> 2; i > 0; i--) {
      v128.store(p, f32x4.mul(c, tanh4(f32x4.mul(v128.load(p), r))));
      p += 16;
    }
    const rest = n & 3;
    if (rest) storeTail(p, rest, f32x4.mul(c, tanh4(f32x4.mul(loadTail(p, rest, 0), r))));
  }
  for (let i = 0; i < rows; i++) {
    const row = scores + ((<usize>(i * count)) << 2);
    const at = position + i;
    if (causal) for (let j = max(0, at + 1 - first); j < count; j++) store<f32>(row + ((<usize>j) << 2), NEGATIVE);
    if (window > 0) {
      const end = min(count, at - window + 1 - first);
      for (let j = 0; j < end; j++) store<f32>(row + ((<usize>j) << 2), NEGATIVE);
    }
    if (segments) {
      const mine = load<i32>(segments + ((<usize>at) << 2));
      for (let j = 0; j < count; j++) {
        if (load<i32>(segments + ((<usize>(first + j)) << 2)) != mine) store<f32>(row + ((<usize>j) << 2), NEGATIVE);
      }
    }
  }
}

export function attention(
  q: usize,
  k: usize,
  v: usize,
  o: usize,
  lse: usize,
  segments: usize,
  batch: i32,
  rows: i32,
  keys: i32,
  heads: i32,
  kvHeads: i32,
  dim: i32,
  valueDim: i32,
  scale: f32,
  cap: f32,
  causal: bool,
  window: i32,
  scratch: usize,
  gemmScratch: usize,
): void {
  const group = heads / kvHeads;
  const strideQ = heads * dim;
  const strideK = kvHeads * dim;
  const strideV = kvHeads * valueDim;
  const strideO = heads * valueDim;
  const shift = keys - rows;
  const scores = scratch;
  for (let b = 0; b < batch; b++) {
    const seg = segments ? segments + ((<usize>(b * keys)) << 2) : 0;
    for (let h = 0; h < heads; h++) {
      const kv = h / group;
      const kAt = k + ((<usize>(b * keys) * <usize>strideK + <usize>(kv * dim)) << 2);
      const vAt = v + ((<usize>(b * keys) * <usize>strideV + <usize>(kv * valueDim)) << 2);
      for (let i0 = 0; i0 < rows; i0 += ROWS) {
        const n = min(ROWS, rows - i0);
        const last = causal ? min(keys, i0 + n + shift) : keys;
        const first = window > 0 ? max(0, i0 + shift - window + 1) : 0;
        const count = last - first;
        const qAt = q + ((<usize>(b * rows + i0) * <usize>strideQ + <usize>(h * dim)) << 2);
        scoreBlock(
          qAt,
          strideQ,
          kAt,
          strideK,
          scores,
          n,
          first,
          count,
          dim,
          scale,
          cap,
          i0 + shift,
          causal,
          window,
          seg,
          gemmScratch,
        );
        const full = count & ~3;
        const rest = count & 3;
        for (let i = 0; i < n; i++) {
          const row = scores + ((<usize>(i * count)) << 2);
          let top = f32x4.splat(NEGATIVE);
          for (let j = 0; j < full; j += 4) top = f32x4.max(top, v128.load(row + ((<usize>j) << 2)));
          if (rest) top = f32x4.max(top, loadTail(row + ((<usize>full) << 2), rest, NEGATIVE));
          const m = max4(top);
          const mm = f32x4.splat(m);
          let total = f32x4.splat(0);
          for (let j = 0; j < full; j += 4) {
            const at = row + ((<usize>j) << 2);
            const e = exp4(f32x4.sub(v128.load(at), mm));
            v128.store(at, e);
            total = f32x4.add(total, e);
          }
          if (rest) {
            const at = row + ((<usize>full) << 2);
            const e = exp4(f32x4.sub(loadTail(at, rest, NEGATIVE), mm));
            storeTail(at, rest, e);
            total = f32x4.add(total, e);
          }
          const s = sum4(total);
          store<f32>(lse + ((<usize>((b * heads + h) * rows + i0 + i)) << 2), m + <f32>log64(<f64>s));
          const inverse: f32 = 1 / s;
          const f = f32x4.splat(inverse);
          for (let j = 0; j < full; j += 4) {
            const at = row + ((<usize>j) << 2);
            v128.store(at, f32x4.mul(v128.load(at), f));
          }
          for (let j = full; j < count; j++) {
            const at = row + ((<usize>j) << 2);
            store<f32>(at, load<f32>(at) * inverse);
          }
        }
        const oAt = o + ((<usize>(b * rows + i0) * <usize>strideO + <usize>(h * valueDim)) << 2);
        gemm(
          n,
          valueDim,
          count,
          scores,
          count,
          false,
          vAt + ((<usize>first * <usize>strideV) << 2),
          strideV,
          false,
          oAt,
          strideO,
          1,
          false,
          gemmScratch,
        );
      }
    }
  }
}

// dk and dv must be zero at the start.
export function attentionBackward(
  q: usize,
  k: usize,
  v: usize,
  o: usize,
  lse: usize,
  dout: usize,
  dq: usize,
  dk: usize,
  dv: usize,
  segments: usize,
  batch: i32,
  rows: i32,
  keys: i32,
  heads: i32,
  kvHeads: i32,
  dim: i32,
  valueDim: i32,
  scale: f32,
  cap: f32,
  causal: bool,
  window: i32,
  scratch: usize,
  gemmScratch: usize,
): void {
  const group = heads / kvHeads;
  const strideQ = heads * dim;
  const strideK = kvHeads * dim;
  const strideV = kvHeads * valueDim;
  const strideO = heads * valueDim;
  const shift = keys - rows;
  const p = scratch;
  const dp = scratch + ((<usize>(ROWS * keys)) << 2);
  const one = f32x4.splat(1);
  const inverseCap: f32 = cap > 0 ? 1 / cap : 0;
  const ic = f32x4.splat(inverseCap);
  const sc = f32x4.splat(scale);
  for (let b = 0; b < batch; b++) {
    const seg = segments ? segments + ((<usize>(b * keys)) << 2) : 0;
    for (let h = 0; h < heads; h++) {
      const kv = h / group;
      const kBase = (<usize>(b * keys) * <usize>strideK + <usize>(kv * dim)) << 2;
      const vBase = (<usize>(b * keys) * <usize>strideV + <usize>(kv * valueDim)) << 2;
      for (let i0 = 0; i0 < rows; i0 += ROWS) {
        const n = min(ROWS, rows - i0);
        const last = causal ? min(keys, i0 + n + shift) : keys;
        const first = window > 0 ? max(0, i0 + shift - window + 1) : 0;
        const count = last - first;
        const qBase = (<usize>(b * rows + i0) * <usize>strideQ + <usize>(h * dim)) << 2;
        const oBase = (<usize>(b * rows + i0) * <usize>strideO + <usize>(h * valueDim)) << 2;
        const kAt = k + kBase + ((<usize>first * <usize>strideK) << 2);
        const vAt = v + vBase + ((<usize>first * <usize>strideV) << 2);
        scoreBlock(
          q + qBase,
          strideQ,
          k + kBase,
          strideK,
          p,
          n,
          first,
          count,
          dim,
          scale,
          cap,
          i0 + shift,
          causal,
          window,
          seg,
          gemmScratch,
        );
        gemm(n, count, valueDim, dout + oBase, strideO, false, vAt, strideV, true, dp, count, 1, false, gemmScratch);
        const full = count & ~3;
        for (let i = 0; i < n; i++) {
          const oRow = o + oBase + ((<usize>i * <usize>strideO) << 2);
          const dRow = dout + oBase + ((<usize>i * <usize>strideO) << 2);
          let delta: f32 = 0;
          let acc = f32x4.splat(0);
          const vFull = valueDim & ~3;
          for (let j = 0; j < vFull; j += 4) {
            acc = f32x4.add(acc, f32x4.mul(v128.load(oRow + ((<usize>j) << 2)), v128.load(dRow + ((<usize>j) << 2))));
          }
          delta = sum4(acc);
          for (let j = vFull; j < valueDim; j++)
            delta += load<f32>(oRow + ((<usize>j) << 2)) * load<f32>(dRow + ((<usize>j) << 2));
          const l = load<f32>(lse + ((<usize>((b * heads + h) * rows + i0 + i)) << 2));
          const ll = f32x4.splat(l);
          const dd = f32x4.splat(delta);
          const row = p + ((<usize>(i * count)) << 2);
          const rowD = dp + ((<usize>(i * count)) << 2);
          for (let j = 0; j < full; j += 4) {
            const at = (<usize>j) << 2;
            const s = v128.load(row + at);
            const e = exp4(f32x4.sub(s, ll));
            let d = f32x4.mul(f32x4.mul(e, f32x4.sub(v128.load(rowD + at), dd)), sc);
            if (cap > 0) {
              const t = f32x4.mul(s, ic);
              d = v128.and(f32x4.mul(d, f32x4.sub(one, f32x4.mul(t, t))), f32x4.gt(e, f32x4.splat(0)));
            }
            v128.store(row + at, e);
            v128.store(rowD + at, d);
          }
          const rest = count & 3;
          if (rest) {
            const at = (<usize>full) << 2;
            const s = loadTail(row + at, rest, NEGATIVE);
            const e = exp4(f32x4.sub(s, ll));
            let d = f32x4.mul(f32x4.mul(e, f32x4.sub(loadTail(rowD + at, rest, 0), dd)), sc);
            if (cap > 0) {
              const t = f32x4.mul(s, ic);
              d = v128.and(f32x4.mul(d, f32x4.sub(one, f32x4.mul(t, t))), f32x4.gt(e, f32x4.splat(0)));
            }
            storeTail(row + at, rest, e);
            storeTail(rowD + at, rest, d);
          }
        }
        gemm(n, dim, count, dp, count, false, kAt, strideK, false, dq + qBase, strideQ, 1, false, gemmScratch);
        gemm(
          count,
          dim,
          n,
          dp,
          count,
          true,
          q + qBase,
          strideQ,
          false,
          dk + kBase + ((<usize>first * <usize>strideK) << 2),
          strideK,
          1,
          true,
          gemmScratch,
        );
        gemm(
          count,
          valueDim,
          n,
          p,
          count,
          true,
          dout + oBase,
          strideO,
          false,
          dv + vBase + ((<usize>first * <usize>strideV) << 2),
          strideV,
          1,
          true,
          gemmScratch,
        );
      }
    }
  }
}
