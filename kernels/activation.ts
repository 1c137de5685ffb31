// Activations and their derivatives. kind: 0 silu, 1 gelu (erf), 2 gelu_tanh, 3 relu, 4 relu_squared.
import { erf4, exp4, loadTail, sigmoid4, storeTail, tanh4 } from "./math";

function value4(kind: i32, x: v128): v128 {
  if (kind == 0) return f32x4.mul(x, sigmoid4(x));
  if (kind == 1) {
    const half = f32x4.mul(x, f32x4.splat(0.5));
    return f32x4.add(half, f32x4.mul(half, erf4(f32x4.mul(x, f32x4.splat(0.7071067811865476)))));
  }
  if (kind == 2) {
    const cube = f32x4.mul(f32x4.mul(x, x), f32x4.splat(0.044715));
    const u = f32x4.mul(f32x4.mul(x, f32x4.splat(0.7978845608028654)), f32x4.add(f32x4.splat(1), cube));
    // ½(1 + tanh u) = sigmoid(2u)
    return f32x4.mul(x, sigmoid4(f32x4.add(u, u)));
  }
  const positive = f32x4.max(x, f32x4.splat(0));
  return kind == 3 ? positive : f32x4.mul(positive, positive);
}

function slope4(kind: i32, x: v128): v128 {
  const one = f32x4.splat(1);
  if (kind == 0) {
    const s = sigmoid4(x);
    return f32x4.mul(s, f32x4.add(one, f32x4.mul(x, f32x4.sub(one, s))));
  }
  if (kind == 1) {
    const cdf = f32x4.mul(f32x4.splat(0.5), f32x4.add(one, erf4(f32x4.mul(x, f32x4.splat(0.7071067811865476)))));
    const pdf = f32x4.mul(exp4(f32x4.mul(f32x4.mul(x, x), f32x4.splat(-0.5))), f32x4.splat(0.3989422804014327));
    return f32x4.add(cdf, f32x4.mul(x, pdf));
  }
  if (kind == 2) {
    const square = f32x4.mul(x, x);
    const u = f32x4.mul(
      f32x4.mul(x, f32x4.splat(0.7978845608028654)),
      f32x4.add(one, f32x4.mul(square, f32x4.splat(0.044715))),
    );
    const s = sigmoid4(f32x4.add(u, u));
    const inner = f32x4.mul(f32x4.splat(1.5957691216057308), f32x4.add(one, f32x4.mul(square, f32x4.splat(0.134145))));
    return f32x4.mul(s, f32x4.add(one, f32x4.mul(f32x4.mul(x, inner), f32x4.sub(one, s))));
  }
  const mask = f32x4.gt(x, f32x4.splat(0));
  return v128.and(kind == 3 ? one : f32x4.add(x, x), mask);
}

export function activation(kind: i32, x: usize, y: usize, n: i32): void {
  for (let i = n >> 2; i > 0; i--) {
    v128.store(y, value4(kind, v128.load(x)));
    x += 16;
    y += 16;
  }
  const rest = n & 3;
  if (rest) storeTail(y, rest, value4(kind, loadTail(x, rest, 0)));
}

export function activationBackward(kind: i32, x: usize, dy: usize, dx: usize, n: i32): void {
  for (let i = n >> 2; i > 0; i--) {
    v128.store(dx, f32x4.mul(v128.load(dy), slope4(kind, v128.load(x))));
    x += 16;
    dy += 16;
    dx += 16;
  }
  const rest = n & 3;
  if (rest) storeTail(dx, rest, f32x4.mul(loadTail(dy, rest, 0), slope4(kind, loadTail(x, rest, 0))));
}

export function gated(kind: i32, gate: usize, up: usize, y: usize, n: i32): void {
  for (let i = n >> 2; i > 0; i--) {
    v128.store(y, f32x4.mul(value4(kind, v128.load(gate)), v128.load(up)));
    gate += 16;
    up += 16;
    y += 16;
  }
  const rest = n & 3;
  if (rest) storeTail(y, rest, f32x4.mul(value4(kind, loadTail(gate, rest, 0)), loadTail(up, rest, 0)));
}

export function gatedBackward(kind: i32, gate: usize, up: usize, dy: usize, dgate: usize, dup: usize, n: i32): void {
  for (let i = n >> 2; i > 0; i--) {
    const g = v128.load(gate);
    const d = v128.load(dy);
    v128.store(dgate, f32x4.mul(f32x4.mul(d, v128.load(up)), slope4(kind, g)));
    v128.store(dup, f32x4.mul(d, value4(kind, g)));
    gate += 16;
    up += 16;
    dy += 16;
    dgate += 16;
    dup += 16;
  }
  const rest = n & 3;
  if (rest) {
    const g = loadTail(gate, rest, 0);
    const d = loadTail(dy, rest, 0);
    storeTail(dgate, rest, f32x4.mul(f32x4.mul(d, loadTail(up, rest, 0)), slope4(kind, g)));
    storeTail(dup, rest, f32x4.mul(d, value4(kind, g)));
  }
}

// y = cap · tanh(x / cap)
export function softcap(x: usize, y: usize, n: i32, cap: f32): void {
  const c = f32x4.splat(cap);
  const r = f32x4.splat(1 / cap);
  for (let i = n >> 2; i > 0; i--) {
    v128.store(y, f32x4.mul(c, tanh4(f32x4.mul(v128.load(x), r))));
    x += 16;
    y += 16;
  }
  const rest = n & 3;
  if (rest) storeTail(y, rest, f32x4.mul(c, tanh4(f32x4.mul(loadTail(x, rest, 0), r))));
}

// dx = dy · (1 − (y / cap)²); dx may be dy.
export function softcapBackward(y: usize, dy: usize, dx: usize, n: i32, cap: f32): void {
  const r = f32x4.splat(1 / cap);
  const one = f32x4.splat(1);
  for (let i = n >> 2; i > 0; i--) {
    const t = f32x4.mul(v128.load(y), r);
    v128.store(dx, f32x4.mul(v128.load(dy), f32x4.sub(one, f32x4.mul(t, t))));
    y += 16;
    dy += 16;
    dx += 16;
  }
  const rest = n & 3;
  if (rest) {
    const t = f32x4.mul(loadTail(y, rest, 0), r);
    storeTail(dx, rest, f32x4.mul(loadTail(dy, rest, 0), f32x4.sub(one, f32x4.mul(t, t))));
  }
}
