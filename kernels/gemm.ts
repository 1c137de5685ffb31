// C = alpha · op(A) · op(B) + (accumulate ? C : 0), fp32, any strides. Goto's blocking: panels of A and B are packed
// into scratch, so all transpose combinations run at the same speed; the 5 × 8 micro-kernel keeps its tile in registers
// (the fastest tile that fits into the 15 registers that V8 gives out: 42 GFLOP/s where 4 × 8 gave 37; 6 × 8 spills).
// Scratch: KC·NC + KC·MC + 40 floats.

// A multiple of the tile's rows.
const MC: i32 = 130;
const KC: i32 = 256;
const NC: i32 = 512;

export function gemmScratchBytes(): i32 {
  return (KC * NC + KC * MC + 40) << 2;
}

// A block (rows × depth) into panels of 5 rows, depth-major, zero-padded.
function packA(to: usize, a: usize, ld: i32, transposed: bool, rows: i32, depth: i32): void {
  const step: usize = (<usize>ld) << 2;
  for (let i = 0; i < rows; i += 5) {
    const left = rows - i;
    if (left >= 5) {
      if (transposed) {
        let from = a + ((<usize>i) << 2);
        for (let k = 0; k < depth; k++) {
          v128.store(to, v128.load(from));
          store<f32>(to, load<f32>(from, 16), 16);
          from += step;
          to += 20;
        }
      } else {
        let r0 = a + <usize>i * step;
        let r1 = r0 + step;
        let r2 = r1 + step;
        let r3 = r2 + step;
        let r4 = r3 + step;
        let k = 0;
        for (; k + 4 <= depth; k += 4) {
          const x0 = v128.load(r0);
          const x1 = v128.load(r1);
          const x2 = v128.load(r2);
          const x3 = v128.load(r3);
          const x4 = v128.load(r4);
          const lo01 = v128.shuffle<i32>(x0, x1, 0, 4, 1, 5);
          const hi01 = v128.shuffle<i32>(x0, x1, 2, 6, 3, 7);
          const lo23 = v128.shuffle<i32>(x2, x3, 0, 4, 1, 5);
          const hi23 = v128.shuffle<i32>(x2, x3, 2, 6, 3, 7);
          v128.store(to, v128.shuffle<i64>(lo01, lo23, 0, 2));
          v128.store_lane<f32>(to, x4, 0, 16);
          v128.store(to, v128.shuffle<i64>(lo01, lo23, 1, 3), 20);
          v128.store_lane<f32>(to, x4, 1, 36);
          v128.store(to, v128.shuffle<i64>(hi01, hi23, 0, 2), 40);
          v128.store_lane<f32>(to, x4, 2, 56);
          v128.store(to, v128.shuffle<i64>(hi01, hi23, 1, 3), 60);
          v128.store_lane<f32>(to, x4, 3, 76);
          to += 80;
          r0 += 16;
          r1 += 16;
          r2 += 16;
          r3 += 16;
          r4 += 16;
        }
        for (; k < depth; k++) {
          store<f32>(to, load<f32>(r0));
          store<f32>(to, load<f32>(r1), 4);
          store<f32>(to, load<f32>(r2), 8);
          store<f32>(to, load<f32>(r3), 12);
          store<f32>(to, load<f32>(r4), 16);
          to += 20;
          r0 += 4;
          r1 += 4;
          r2 += 4;
          r3 += 4;
          r4 += 4;
        }
      }
    } else {
      for (let k = 0; k < depth; k++) {
        for (let r = 0; r < 5; r++) {
          let value: f32 = 0;
          if (r < left) {
            value = transposed
              ? load<f32>(a + <usize>k * step + ((<usize>(i + r)) << 2))
              : load<f32>(a + <usize>(i + r) * step + ((<usize>k) << 2));
          }
          store<f32>(to, value);
          to += 4;
        }
      }
    }
  }
}

// B block (depth × columns) into panels of 8 columns, depth-major, zero-padded.
function packB(to: usize, b: usize, ld: i32, transposed: bool, depth: i32, columns: i32): void {
  const step: usize = (<usize>ld) << 2;
  for (let j = 0; j < columns; j += 8) {
    const left = columns - j;
    if (left >= 8) {
      if (transposed) {
        for (let half = 0; half < 2; half++) {
          let out = to + ((<usize>half) << 4);
          let r0 = b + <usize>(j + half * 4) * step;
          let r1 = r0 + step;
          let r2 = r1 + step;
          let r3 = r2 + step;
          let k = 0;
          for (; k + 4 <= depth; k += 4) {
            const x0 = v128.load(r0);
            const x1 = v128.load(r1);
            const x2 = v128.load(r2);
            const x3 = v128.load(r3);
            const lo01 = v128.shuffle<i32>(x0, x1, 0, 4, 1, 5);
            const hi01 = v128.shuffle<i32>(x0, x1, 2, 6, 3, 7);
            const lo23 = v128.shuffle<i32>(x2, x3, 0, 4, 1, 5);
            const hi23 = v128.shuffle<i32>(x2, x3, 2, 6, 3, 7);
            v128.store(out, v128.shuffle<i64>(lo01, lo23, 0, 2));
            v128.store(out, v128.shuffle<i64>(lo01, lo23, 1, 3), 32);
            v128.store(out, v128.shuffle<i64>(hi01, hi23, 0, 2), 64);
            v128.store(out, v128.shuffle<i64>(hi01, hi23, 1, 3), 96);
            out += 128;
            r0 += 16;
            r1 += 16;
            r2 += 16;
            r3 += 16;
          }
          for (; k < depth; k++) {
            store<f32>(out, load<f32>(r0));
            store<f32>(out, load<f32>(r1), 4);
            store<f32>(out, load<f32>(r2), 8);
            store<f32>(out, load<f32>(r3), 12);
            out += 32;
            r0 += 4;
            r1 += 4;
            r2 += 4;
            r3 += 4;
          }
        }
        to += (<usize>depth) << 5;
      } else {
        let from = b + ((<usize>j) << 2);
        for (let k = 0; k < depth; k++) {
          v128.store(to, v128.load(from));
          v128.store(to, v128.load(from, 16), 16);
          from += step;
          to += 32;
        }
      }
    } else {
      for (let k = 0; k < depth; k++) {
        for (let c = 0; c < 8; c++) {
          let value: f32 = 0;
          if (c < left) {
            value = transposed
              ? load<f32>(b + <usize>(j + c) * step + ((<usize>k) << 2))
              : load<f32>(b + <usize>k * step + ((<usize>(j + c)) << 2));
          }
          store<f32>(to, value);
          to += 4;
        }
      }
    }
  }
}

// One 5 × 8 tile of A · B into `tile`. Exported, and with nothing else in it, so that it stays a function of its own:
// inlined, or with values that live across its loop, V8 spills its sums and it runs at half the speed.
export function micro(depth: i32, a: usize, b: usize, tile: usize): void {
  let c00 = f32x4.splat(0);
  let c01 = f32x4.splat(0);
  let c10 = f32x4.splat(0);
  let c11 = f32x4.splat(0);
  let c20 = f32x4.splat(0);
  let c21 = f32x4.splat(0);
  let c30 = f32x4.splat(0);
  let c31 = f32x4.splat(0);
  let c40 = f32x4.splat(0);
  let c41 = f32x4.splat(0);
  let k = depth;
  for (; k >= 1; k -= 1) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    const x0 = v128.load_splat<f32>(a);
    c00 = f32x4.add(c00, f32x4.mul(x0, b0));
    c01 = f32x4.add(c01, f32x4.mul(x0, b1));
    const x1 = v128.load_splat<f32>(a, 4);
    c10 = f32x4.add(c10, f32x4.mul(x1, b0));
    c11 = f32x4.add(c11, f32x4.mul(x1, b1));
    const x2 = v128.load_splat<f32>(a, 8);
    c20 = f32x4.add(c20, f32x4.mul(x2, b0));
    c21 = f32x4.add(c21, f32x4.mul(x2, b1));
    const x3 = v128.load_splat<f32>(a, 12);
    c30 = f32x4.add(c30, f32x4.mul(x3, b0));
    c31 = f32x4.add(c31, f32x4.mul(x3, b1));
    const x4 = v128.load_splat<f32>(a, 16);
    c40 = f32x4.add(c40, f32x4.mul(x4, b0));
    c41 = f32x4.add(c41, f32x4.mul(x4, b1));
    a += 20;
    b += 32;
  }
  v128.store(tile, c00);
  v128.store(tile, c01, 16);
  v128.store(tile, c10, 32);
  v128.store(tile, c11, 48);
  v128.store(tile, c20, 64);
  v128.store(tile, c21, 80);
  v128.store(tile, c30, 96);
  v128.store(tile, c31, 112);
  v128.store(tile, c40, 128);
  v128.store(tile, c41, 144);
}

// C = alpha · tile (+ C), the part of it that C has.
function finish(tile: usize, c: usize, step: usize, alpha: f32, accumulate: bool, rows: i32, columns: i32): void {
  const r = min(rows, 5);
  if (columns >= 8) {
    const s = f32x4.splat(alpha);
    for (let i = 0; i < r; i++) {
      let lo = f32x4.mul(v128.load(tile), s);
      let hi = f32x4.mul(v128.load(tile, 16), s);
      if (accumulate) {
        lo = f32x4.add(lo, v128.load(c));
        hi = f32x4.add(hi, v128.load(c, 16));
      }
      v128.store(c, lo);
      v128.store(c, hi, 16);
      tile += 32;
      c += step;
    }
    return;
  }
  for (let i = 0; i < r; i++) {
    for (let j = 0; j < columns; j++) {
      const p = c + ((<usize>j) << 2);
      const value = load<f32>(tile + ((<usize>j) << 2)) * alpha;
      store<f32>(p, accumulate ? value + load<f32>(p) : value);
    }
    tile += 32;
    c += step;
  }
}

export function gemm(
  m: i32,
  n: i32,
  depth: i32,
  a: usize,
  lda: i32,
  transposeA: bool,
  b: usize,
  ldb: i32,
  transposeB: bool,
  c: usize,
  ldc: i32,
  alpha: f32,
  accumulate: bool,
  scratch: usize,
): void {
  const packedB = scratch;
  const packedA = packedB + ((<usize>(KC * NC)) << 2);
  const tile = packedA + ((<usize>(KC * MC)) << 2);
  const step: usize = (<usize>ldc) << 2;
  for (let j0 = 0; j0 < n; j0 += NC) {
    const nc = min(NC, n - j0);
    for (let k0 = 0; k0 < depth; k0 += KC) {
      const kc = min(KC, depth - k0);
      const add = accumulate || k0 > 0;
      const bAt = transposeB ? <usize>j0 * <usize>ldb + <usize>k0 : <usize>k0 * <usize>ldb + <usize>j0;
      packB(packedB, b + (bAt << 2), ldb, transposeB, kc, nc);
      for (let i0 = 0; i0 < m; i0 += MC) {
        const mc = min(MC, m - i0);
        const aAt = transposeA ? <usize>k0 * <usize>lda + <usize>i0 : <usize>i0 * <usize>lda + <usize>k0;
        packA(packedA, a + (aAt << 2), lda, transposeA, mc, kc);
        for (let j = 0; j < nc; j += 8) {
          const panelB = packedB + ((<usize>(j * kc)) << 2);
          for (let i = 0; i < mc; i += 5) {
            micro(kc, packedA + ((<usize>(i * kc)) << 2), panelB, tile);
            const at = c + <usize>(i0 + i) * step + ((<usize>(j0 + j)) << 2);
            finish(tile, at, step, alpha, add, mc - i, nc - j);
          }
        }
      }
    }
  }
}

// Batches with one stride each (0: the same matrix for all).
export function batchedGemm(
  batch: i32,
  m: i32,
  n: i32,
  depth: i32,
  a: usize,
  strideA: i32,
  transposeA: bool,
  b: usize,
  strideB: i32,
  transposeB: bool,
  c: usize,
  scratch: usize,
): void {
  const lda = transposeA ? m : depth;
  const ldb = transposeB ? depth : n;
  for (let i = 0; i < batch; i++) {
    gemm(m, n, depth, a, lda, transposeA, b, ldb, transposeB, c, n, 1, false, scratch);
    a += (<usize>strideA) << 2;
    b += (<usize>strideB) << 2;
    c += (<usize>(m * n)) << 2;
  }
}
