// C = alpha · op(A) · op(B) + (accumulate ? C : 0), fp32, any strides. Goto's blocking: panels of A and B are packed
// into scratch, so all transpose combinations run at the same speed; the 4 × 8 micro-kernel keeps its tile in registers.
// Scratch: KC·NC + KC·MC + 32 floats.

const MC: i32 = 128;
const KC: i32 = 256;
const NC: i32 = 512;

export function gemmScratchBytes(): i32 {
  return (KC * NC + KC * MC + 32) << 2;
}

// A block (rows × depth) into panels of 4 rows, depth-major, zero-padded.
function packA(to: usize, a: usize, ld: i32, transposed: bool, rows: i32, depth: i32): void {
  const step: usize = (<usize>ld) << 2;
  for (let i = 0; i < rows; i += 4) {
    const left = rows - i;
    if (left >= 4) {
      if (transposed) {
        let from = a + ((<usize>i) << 2);
        for (let k = 0; k < depth; k++) {
          v128.store(to, v128.load(from));
          from += step;
          to += 16;
        }
      } else {
        let r0 = a + <usize>i * step;
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
          v128.store(to, v128.shuffle<i64>(lo01, lo23, 0, 2));
          v128.store(to, v128.shuffle<i64>(lo01, lo23, 1, 3), 16);
          v128.store(to, v128.shuffle<i64>(hi01, hi23, 0, 2), 32);
          v128.store(to, v128.shuffle<i64>(hi01, hi23, 1, 3), 48);
          to += 64;
          r0 += 16;
          r1 += 16;
          r2 += 16;
          r3 += 16;
        }
        for (; k < depth; k++) {
          store<f32>(to, load<f32>(r0));
          store<f32>(to, load<f32>(r1), 4);
          store<f32>(to, load<f32>(r2), 8);
          store<f32>(to, load<f32>(r3), 12);
          to += 16;
          r0 += 4;
          r1 += 4;
          r2 += 4;
          r3 += 4;
        }
      }
    } else {
      for (let k = 0; k < depth; k++) {
        for (let r = 0; r < 4; r++) {
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

// One 4 × 8 tile; `rows` × `columns` of it are wanted. `tile`: 32 floats of scratch for edges.
function micro(
  depth: i32,
  a: usize,
  b: usize,
  c: usize,
  step: usize,
  alpha: f32,
  accumulate: bool,
  rows: i32,
  columns: i32,
  tile: usize,
): void {
  let c00 = f32x4.splat(0);
  let c01 = c00;
  let c10 = c00;
  let c11 = c00;
  let c20 = c00;
  let c21 = c00;
  let c30 = c00;
  let c31 = c00;
  for (let k = depth; k > 0; k--) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    let x = v128.load_splat<f32>(a);
    c00 = f32x4.add(c00, f32x4.mul(x, b0));
    c01 = f32x4.add(c01, f32x4.mul(x, b1));
    x = v128.load_splat<f32>(a, 4);
    c10 = f32x4.add(c10, f32x4.mul(x, b0));
    c11 = f32x4.add(c11, f32x4.mul(x, b1));
    x = v128.load_splat<f32>(a, 8);
    c20 = f32x4.add(c20, f32x4.mul(x, b0));
    c21 = f32x4.add(c21, f32x4.mul(x, b1));
    x = v128.load_splat<f32>(a, 12);
    c30 = f32x4.add(c30, f32x4.mul(x, b0));
    c31 = f32x4.add(c31, f32x4.mul(x, b1));
    a += 16;
    b += 32;
  }
  if (alpha != 1) {
    const s = f32x4.splat(alpha);
    c00 = f32x4.mul(c00, s);
    c01 = f32x4.mul(c01, s);
    c10 = f32x4.mul(c10, s);
    c11 = f32x4.mul(c11, s);
    c20 = f32x4.mul(c20, s);
    c21 = f32x4.mul(c21, s);
    c30 = f32x4.mul(c30, s);
    c31 = f32x4.mul(c31, s);
  }
  if (rows >= 4 && columns >= 8) {
    if (accumulate) {
      let p = c;
      c00 = f32x4.add(c00, v128.load(p));
      c01 = f32x4.add(c01, v128.load(p, 16));
      p += step;
      c10 = f32x4.add(c10, v128.load(p));
      c11 = f32x4.add(c11, v128.load(p, 16));
      p += step;
      c20 = f32x4.add(c20, v128.load(p));
      c21 = f32x4.add(c21, v128.load(p, 16));
      p += step;
      c30 = f32x4.add(c30, v128.load(p));
      c31 = f32x4.add(c31, v128.load(p, 16));
    }
    v128.store(c, c00);
    v128.store(c, c01, 16);
    c += step;
    v128.store(c, c10);
    v128.store(c, c11, 16);
    c += step;
    v128.store(c, c20);
    v128.store(c, c21, 16);
    c += step;
    v128.store(c, c30);
    v128.store(c, c31, 16);
    return;
  }
  v128.store(tile, c00);
  v128.store(tile, c01, 16);
  v128.store(tile, c10, 32);
  v128.store(tile, c11, 48);
  v128.store(tile, c20, 64);
  v128.store(tile, c21, 80);
  v128.store(tile, c30, 96);
  v128.store(tile, c31, 112);
  const r = min(rows, 4);
  const w = min(columns, 8);
  for (let i = 0; i < r; i++) {
    for (let j = 0; j < w; j++) {
      const p = c + <usize>i * step + ((<usize>j) << 2);
      let value = load<f32>(tile + ((<usize>(i * 8 + j)) << 2));
      if (accumulate) value += load<f32>(p);
      store<f32>(p, value);
    }
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
          for (let i = 0; i < mc; i += 4) {
            micro(
              kc,
              packedA + ((<usize>(i * kc)) << 2),
              panelB,
              c + <usize>(i0 + i) * step + ((<usize>(j0 + j)) << 2),
              step,
              alpha,
              add,
              mc - i,
              nc - j,
              tile,
            );
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
