// Whole-tensor helpers: accumulation, embedding rows, sums, optimizer updates, rounding to smaller formats.
import { loadTail, storeTail } from "./math";

// y += s · x
export function axpy(n: i32, s: f32, x: usize, y: usize): void {
  const ss = f32x4.splat(s);
  for (let i = n >> 2; i > 0; i--) {
    v128.store(y, f32x4.add(v128.load(y), f32x4.mul(v128.load(x), ss)));
    x += 16;
    y += 16;
  }
  const rest = n & 3;
  if (rest) storeTail(y, rest, f32x4.add(loadTail(y, rest, 0), f32x4.mul(loadTail(x, rest, 0), ss)));
}

// out[index[i]] += x[i] for rows of `dim`; rows outside 0…limit−1 are left out.
export function addRows(x: usize, index: usize, out: usize, rows: i32, dim: i32, limit: i32): void {
  for (let i = 0; i < rows; i++) {
    const to = load<i32>(index + ((<usize>i) << 2));
    if (to >= 0 && to < limit) axpy(dim, 1, x, out + ((<usize>to * <usize>dim) << 2));
    x += (<usize>dim) << 2;
  }
}

// Σ over rows of [rows, dim], in groups of 64 rows so that fp32 sums stay accurate. `part`: dim floats of scratch.
export function sumRows(x: usize, out: usize, part: usize, rows: i32, dim: i32): void {
  const bytes: usize = (<usize>dim) << 2;
  memory.fill(out, 0, bytes);
  for (let i = 0; i < rows; i += 64) {
    memory.fill(part, 0, bytes);
    const end = min(rows, i + 64);
    for (let r = i; r < end; r++) {
      axpy(dim, 1, x, part);
      x += bytes;
    }
    axpy(dim, 1, part, out);
  }
}

export function sumOfSquares(x: usize, n: i32): f64 {
  let a = f64x2.splat(0);
  let b = f64x2.splat(0);
  for (let i = n >> 2; i > 0; i--) {
    const v = v128.load(x);
    const lo = f64x2.promote_low_f32x4(v);
    const hi = f64x2.promote_low_f32x4(v128.shuffle<i64>(v, v, 1, 1));
    a = f64x2.add(a, f64x2.mul(lo, lo));
    b = f64x2.add(b, f64x2.mul(hi, hi));
    x += 16;
  }
  a = f64x2.add(a, b);
  let total = f64x2.extract_lane(a, 0) + f64x2.extract_lane(a, 1);
  for (let i = n & 3; i > 0; i--) {
    const v: f64 = <f64>load<f32>(x);
    total += v * v;
    x += 4;
  }
  return total;
}

export function largest(x: usize, n: i32): f32 {
  let top = f32x4.splat(0);
  for (let i = n >> 2; i > 0; i--) {
    top = f32x4.max(top, f32x4.abs(v128.load(x)));
    x += 16;
  }
  let m = max(
    max(f32x4.extract_lane(top, 0), f32x4.extract_lane(top, 1)),
    max(f32x4.extract_lane(top, 2), f32x4.extract_lane(top, 3)),
  );
  for (let i = n & 3; i > 0; i--) {
    m = max(m, abs(load<f32>(x)));
    x += 4;
  }
  return m;
}

// AdamW (Loshchilov and Hutter 2019) in place; c1, c2 = 1 − βᵗ.
export function adamw(
  p: usize,
  m: usize,
  v: usize,
  g: usize,
  n: i32,
  lr: f32,
  beta1: f32,
  beta2: f32,
  eps: f32,
  decay: f32,
  c1: f32,
  c2: f32,
  scale: f32,
): void {
  const b1 = f32x4.splat(beta1);
  const b2 = f32x4.splat(beta2);
  const n1 = f32x4.splat(1 - beta1);
  const n2 = f32x4.splat(1 - beta2);
  const keep = f32x4.splat(1 - lr * decay);
  const rate = f32x4.splat(lr / c1);
  const root = f32x4.splat(1 / sqrt<f32>(c2));
  const e = f32x4.splat(eps);
  const s = f32x4.splat(scale);
  const rest = n & 3;
  for (let i = 0; i <= n - 4; i += 4) {
    const gg = f32x4.mul(v128.load(g), s);
    const mm = f32x4.add(f32x4.mul(v128.load(m), b1), f32x4.mul(gg, n1));
    const vv = f32x4.add(f32x4.mul(v128.load(v), b2), f32x4.mul(f32x4.mul(gg, gg), n2));
    v128.store(m, mm);
    v128.store(v, vv);
    const update = f32x4.div(f32x4.mul(mm, rate), f32x4.add(f32x4.mul(f32x4.sqrt(vv), root), e));
    v128.store(p, f32x4.sub(f32x4.mul(v128.load(p), keep), update));
    p += 16;
    m += 16;
    v += 16;
    g += 16;
  }
  if (rest) {
    const gg = f32x4.mul(loadTail(g, rest, 0), s);
    const mm = f32x4.add(f32x4.mul(loadTail(m, rest, 0), b1), f32x4.mul(gg, n1));
    const vv = f32x4.add(f32x4.mul(loadTail(v, rest, 0), b2), f32x4.mul(f32x4.mul(gg, gg), n2));
    storeTail(m, rest, mm);
    storeTail(v, rest, vv);
    const update = f32x4.div(f32x4.mul(mm, rate), f32x4.add(f32x4.mul(f32x4.sqrt(vv), root), e));
    storeTail(p, rest, f32x4.sub(f32x4.mul(loadTail(p, rest, 0), keep), update));
  }
}

// Rounds fp32 to a format with `mantissa` stored bits and smallest normal exponent `emin`, to nearest, ties to even,
// subnormals included. Above `largestValue` it saturates, or goes to infinity as the format does where `saturate` is false.
export function roundTo(x: usize, y: usize, n: i32, mantissa: i32, emin: i32, largestValue: f32, saturate: bool): void {
  const drop = 23 - mantissa;
  const bias = (1 << (drop - 1)) - 1;
  const mask = ~((1 << drop) - 1);
  const smallest = reinterpret<f32>((emin + 127) << 23);
  // Adding and subtracting 1.5 · 2^(23 + exponent of the last place) rounds to that place.
  const magic: f32 = emin <= -126 ? 0 : 1.5 * reinterpret<f32>((23 + emin - mantissa + 127) << 23);
  for (let i = 0; i < n; i++) {
    const value = load<f32>(x);
    let result: f32;
    if (value != value) {
      result = value;
    } else if (emin > -126 && abs(value) < smallest) {
      result = copysign<f32>(abs(value) + magic - magic, value);
    } else {
      const u = reinterpret<i32>(value);
      result = reinterpret<f32>((u + bias + ((u >>> drop) & 1)) & mask);
    }
    if (abs(result) > largestValue) {
      result = copysign<f32>(saturate ? largestValue : f32.MAX_VALUE * 2, value);
    }
    store<f32>(y, result);
    x += 4;
    y += 4;
  }
}

export function product(n: i32, a: usize, b: usize, y: usize): void {
  for (let i = n >> 2; i > 0; i--) {
    v128.store(y, f32x4.mul(v128.load(a), v128.load(b)));
    a += 16;
    b += 16;
    y += 16;
  }
  const rest = n & 3;
  if (rest) storeTail(y, rest, f32x4.mul(loadTail(a, rest, 0), loadTail(b, rest, 0)));
}

// Adds one row to each row, in place.
export function addBias(x: usize, bias: usize, rows: i32, dim: i32): void {
  for (let i = 0; i < rows; i++) {
    axpy(dim, 1, bias, x);
    x += <usize>dim << 2;
  }
}
