// Softmax cross-entropy of rows of logits. Writes the loss of each row; turns the logits into their gradient in place
// where `gradient`: (softmax − one-hot) · weight · scale. Sums in fp32 by lanes, the logarithm in fp64.
import { exp4, loadTail, log64, max4, storeTail, sum4 } from "./math";

export function crossEntropy(
  logits: usize,
  targets: usize,
  weights: usize,
  losses: usize,
  rows: i32,
  vocab: i32,
  scale: f32,
  gradient: bool,
): void {
  const full = vocab & ~3;
  const rest = vocab & 3;
  for (let i = 0; i < rows; i++) {
    const row = logits + ((<usize>i * <usize>vocab) << 2);
    const weight = load<f32>(weights + ((<usize>i) << 2));
    const target = load<i32>(targets + ((<usize>i) << 2));
    if (weight == 0) {
      store<f32>(losses + ((<usize>i) << 2), 0);
      if (gradient) memory.fill(row, 0, (<usize>vocab) << 2);
      continue;
    }
    let top = f32x4.splat(-3.4e38);
    for (let j = 0; j < full; j += 4) top = f32x4.max(top, v128.load(row + ((<usize>j) << 2)));
    if (rest) top = f32x4.max(top, loadTail(row + ((<usize>full) << 2), rest, -3.4e38));
    const m = max4(top);
    const mm = f32x4.splat(m);
    const chosen = load<f32>(row + ((<usize>target) << 2));
    let total: f64 = 0;
    let part = f32x4.splat(0);
    for (let j = 0; j < full; j += 4) {
      const at = row + ((<usize>j) << 2);
      const e = exp4(f32x4.sub(v128.load(at), mm));
      if (gradient) v128.store(at, e);
      part = f32x4.add(part, e);
      if ((j & 1023) == 1020) {
        total += <f64>sum4(part);
        part = f32x4.splat(0);
      }
    }
    if (rest) {
      const at = row + ((<usize>full) << 2);
      const e = exp4(f32x4.sub(loadTail(at, rest, -3.4e38), mm));
      if (gradient) storeTail(at, rest, e);
      part = f32x4.add(part, e);
    }
    total += <f64>sum4(part);
    store<f32>(losses + ((<usize>i) << 2), <f32>(log64(total) + <f64>m - <f64>chosen) * weight);
    if (gradient) {
      const factor = weight * scale;
      const f: f32 = <f32>(<f64>factor / total);
      const ff = f32x4.splat(f);
      for (let j = 0; j < full; j += 4) {
        const at = row + ((<usize>j) << 2);
        v128.store(at, f32x4.mul(v128.load(at), ff));
      }
      for (let j = full; j < vocab; j++) {
        const at = row + ((<usize>j) << 2);
        store<f32>(at, load<f32>(at) * f);
      }
      const at = row + ((<usize>target) << 2);
      store<f32>(at, load<f32>(at) - factor);
    }
  }
}
