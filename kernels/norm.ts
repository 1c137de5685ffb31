// RMSNorm and LayerNorm over the last dimension. `offset` is added to the weight (Gemma: 1). `w`, `b` may be 0 (absent).
// Statistics: `rstd` and, for LayerNorm, `mean` [rows].
import { loadTail, storeTail, sum4 } from "./math";

export function norm(
  x: usize,
  w: usize,
  b: usize,
  y: usize,
  mean: usize,
  rstd: usize,
  rows: i32,
  dim: i32,
  eps: f32,
  offset: f32,
  centre: bool,
): void {
  const full = dim & ~3;
  const rest = dim & 3;
  const shift = f32x4.splat(offset);
  const bytes: usize = (<usize>dim) << 2;
  for (let i = 0; i < rows; i++) {
    let mu: f32 = 0;
    if (centre) {
      let s = f32x4.splat(0);
      for (let j = 0; j < full; j += 4) s = f32x4.add(s, v128.load(x + ((<usize>j) << 2)));
      if (rest) s = f32x4.add(s, loadTail(x + ((<usize>full) << 2), rest, 0));
      mu = sum4(s) / <f32>dim;
      store<f32>(mean + ((<usize>i) << 2), mu);
    }
    const m = f32x4.splat(mu);
    let q = f32x4.splat(0);
    for (let j = 0; j < full; j += 4) {
      const d = f32x4.sub(v128.load(x + ((<usize>j) << 2)), m);
      q = f32x4.add(q, f32x4.mul(d, d));
    }
    if (rest) {
      const d = f32x4.sub(loadTail(x + ((<usize>full) << 2), rest, mu), m);
      q = f32x4.add(q, f32x4.mul(d, d));
    }
    const r: f32 = 1 / sqrt<f32>(sum4(q) / <f32>dim + eps);
    store<f32>(rstd + ((<usize>i) << 2), r);
    const scale = f32x4.splat(r);
    for (let j = 0; j < full; j += 4) {
      const at = (<usize>j) << 2;
      let v = f32x4.mul(f32x4.sub(v128.load(x + at), m), scale);
      if (w) v = f32x4.mul(v, f32x4.add(v128.load(w + at), shift));
      if (b) v = f32x4.add(v, v128.load(b + at));
      v128.store(y + at, v);
    }
    if (rest) {
      const at = (<usize>full) << 2;
      let v = f32x4.mul(f32x4.sub(loadTail(x + at, rest, 0), m), scale);
      if (w) v = f32x4.mul(v, f32x4.add(loadTail(w + at, rest, 0), shift));
      if (b) v = f32x4.add(v, loadTail(b + at, rest, 0));
      storeTail(y + at, rest, v);
    }
    x += bytes;
    y += bytes;
  }
}

// dx = rstd · (g − mean(g) [LayerNorm] − x̂ · mean(g · x̂)), g = dy · (w + offset). `dw`, `db` (0: not wanted) are added to.
export function normBackward(
  dy: usize,
  x: usize,
  w: usize,
  mean: usize,
  rstd: usize,
  dx: usize,
  dw: usize,
  db: usize,
  rows: i32,
  dim: i32,
  offset: f32,
  centre: bool,
): void {
  const shift = f32x4.splat(offset);
  const one = f32x4.splat(1);
  const bytes: usize = (<usize>dim) << 2;
  const full = dim & ~3;
  const rest = dim & 3;
  for (let i = 0; i < rows; i++) {
    const mu = centre ? load<f32>(mean + ((<usize>i) << 2)) : 0;
    const m = f32x4.splat(mu);
    const r = f32x4.splat(load<f32>(rstd + ((<usize>i) << 2)));
    let sumG = f32x4.splat(0);
    let sumGx = f32x4.splat(0);
    for (let j = 0; j < full; j += 4) {
      const at = (<usize>j) << 2;
      const d = v128.load(dy + at);
      const g = w ? f32x4.mul(d, f32x4.add(v128.load(w + at), shift)) : d;
      const hat = f32x4.mul(f32x4.sub(v128.load(x + at), m), r);
      sumG = f32x4.add(sumG, g);
      sumGx = f32x4.add(sumGx, f32x4.mul(g, hat));
      if (dw) v128.store(dw + at, f32x4.add(v128.load(dw + at), f32x4.mul(d, hat)));
      if (db) v128.store(db + at, f32x4.add(v128.load(db + at), d));
    }
    if (rest) {
      const at = (<usize>full) << 2;
      const d = loadTail(dy + at, rest, 0);
      const g = w ? f32x4.mul(d, f32x4.add(loadTail(w + at, rest, 0), shift)) : d;
      const hat = f32x4.mul(f32x4.sub(loadTail(x + at, rest, mu), m), r);
      sumG = f32x4.add(sumG, g);
      sumGx = f32x4.add(sumGx, f32x4.mul(g, hat));
      if (dw) storeTail(dw + at, rest, f32x4.add(loadTail(dw + at, rest, 0), f32x4.mul(d, hat)));
      if (db) storeTail(db + at, rest, f32x4.add(loadTail(db + at, rest, 0), d));
    }
    const c1 = f32x4.splat(centre ? sum4(sumG) / <f32>dim : 0);
    const c2 = f32x4.splat(sum4(sumGx) / <f32>dim);
    for (let j = 0; j < full; j += 4) {
      const at = (<usize>j) << 2;
      const g = f32x4.mul(v128.load(dy + at), w ? f32x4.add(v128.load(w + at), shift) : one);
      const hat = f32x4.mul(f32x4.sub(v128.load(x + at), m), r);
      v128.store(dx + at, f32x4.mul(r, f32x4.sub(f32x4.sub(g, c1), f32x4.mul(hat, c2))));
    }
    if (rest) {
      const at = (<usize>full) << 2;
      const g = f32x4.mul(loadTail(dy + at, rest, 0), w ? f32x4.add(loadTail(w + at, rest, 0), shift) : one);
      const hat = f32x4.mul(f32x4.sub(loadTail(x + at, rest, 0), m), r);
      storeTail(dx + at, rest, f32x4.mul(r, f32x4.sub(f32x4.sub(g, c1), f32x4.mul(hat, c2))));
    }
    x += bytes;
    dy += bytes;
    dx += bytes;
  }
}
