/** Each operation of the algebra in plain float64 loops, as its definition reads; slopes by central differences. */
import type { ActivationKind, AttentionSpec, NormSpec, RopeSpec } from "../../src/program/index.js";

type Values = ArrayLike<number>;

export function matmul(a: Values, b: Values, m: number, n: number, k: number, ta: boolean, tb: boolean): number[] {
  const out: number[] = [];
  for (let i = 0; i < m; i++)
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let l = 0; l < k; l++) sum += a[ta ? l * m + i : i * k + l]! * b[tb ? j * k + l : l * n + j]!;
      out.push(sum);
    }
  return out;
}

/** Its integral by Simpson's rule: to 1e-13 in float64. */
export function erf(x: number): number {
  const n = 400;
  const f = (t: number): number => Math.exp(-t * t);
  const end = Math.min(6, Math.abs(x));
  const h = end / n;
  let sum = f(0) + f(end);
  for (let i = 1; i < n; i++) sum += (i % 2 === 1 ? 4 : 2) * f(i * h);
  return (Math.sign(x) * 2 * sum * h) / (3 * Math.sqrt(Math.PI));
}

export const activations: Readonly<Record<ActivationKind, (x: number) => number>> = {
  silu: (x) => x / (1 + Math.exp(-x)),
  gelu: (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
  gelu_tanh: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  relu: (x) => Math.max(0, x),
  relu_squared: (x) => Math.max(0, x) ** 2,
};

export function norm(x: Values, w: Values | undefined, b: Values | undefined, dim: number, s: NormSpec): number[] {
  const out: number[] = [];
  for (let i = 0; i < x.length; i += dim) {
    const row = Array.from({ length: dim }, (_, j) => x[i + j]!);
    const mean = s.centre ? row.reduce((p, q) => p + q, 0) / dim : 0;
    const rstd = 1 / Math.sqrt(row.reduce((p, q) => p + (q - mean) ** 2, 0) / dim + s.eps);
    row.forEach((v, j) => {
      out.push((v - mean) * rstd * (w === undefined ? 1 : w[j]! + s.offset) + (b?.[j] ?? 0));
    });
  }
  return out;
}

export function rope(x: Values, cos: Values, sin: Values, positions: Values, s: RopeSpec, sign: number): number[] {
  const out = Array.from(x);
  const half = s.rotary / 2;
  for (let t = 0; t < positions.length; t++)
    for (let h = 0; h < s.heads; h++)
      for (let j = 0; j < half; j++) {
        const at = (t * s.heads + h) * s.dim + s.start;
        const [p, q] = s.interleaved ? [at + 2 * j, at + 2 * j + 1] : [at + j, at + half + j];
        const c = cos[positions[t]! * half + j]!;
        const n = sin[positions[t]! * half + j]! * sign;
        out[p] = x[p]! * c - x[q]! * n;
        out[q] = x[q]! * c + x[p]! * n;
      }
  return out;
}

export function attention(q: Values, k: Values, v: Values, segments: Values | undefined, s: AttentionSpec): number[] {
  const out = new Array<number>(s.batch * s.rows * s.heads * s.valueDim).fill(0);
  const shift = s.keys - s.rows;
  for (let b = 0; b < s.batch; b++)
    for (let h = 0; h < s.heads; h++)
      for (let i = 0; i < s.rows; i++) {
        const kv = Math.floor((h * s.kvHeads) / s.heads);
        const scores: number[] = [];
        for (let j = 0; j < s.keys; j++) {
          const hidden =
            (s.causal && j > i + shift) ||
            (s.window > 0 && j <= i + shift - s.window) ||
            (segments !== undefined && segments[b * s.keys + j] !== segments[b * s.keys + i + shift]);
          let dot = 0;
          for (let d = 0; d < s.dim; d++)
            dot +=
              q[((b * s.rows + i) * s.heads + h) * s.dim + d]! * k[((b * s.keys + j) * s.kvHeads + kv) * s.dim + d]!;
          dot *= s.scale;
          if (s.cap > 0) dot = s.cap * Math.tanh(dot / s.cap);
          scores.push(hidden ? Number.NEGATIVE_INFINITY : dot);
        }
        const top = Math.max(...scores);
        const e = scores.map((x) => Math.exp(x - top));
        const total = e.reduce((x, y) => x + y, 0);
        for (let d = 0; d < s.valueDim; d++) {
          let sum = 0;
          for (let j = 0; j < s.keys; j++) sum += e[j]! * v[((b * s.keys + j) * s.kvHeads + kv) * s.valueDim + d]!;
          out[((b * s.rows + i) * s.heads + h) * s.valueDim + d] = sum / total;
        }
      }
  return out;
}

export function crossEntropy(logits: Values, targets: Values, weights: Values, vocab: number): number[] {
  return Array.from({ length: targets.length }, (_, i) => {
    const row = Array.from({ length: vocab }, (_, j) => logits[i * vocab + j]!);
    const top = Math.max(...row);
    const total = row.reduce((sum, x) => sum + Math.exp(x - top), 0);
    return (Math.log(total) + top - row[targets[i]!]!) * weights[i]!;
  });
}

/** Gradient of Σ dy · f(x) at some places of x. */
export function slopes(f: (x: number[]) => number[], x: Values, dy: Values, places: readonly number[]): number[] {
  const h = 1e-5;
  const at = (place: number, by: number): number => {
    const moved = Array.from(x);
    moved[place] = moved[place]! + by;
    return f(moved).reduce((sum, y, i) => sum + y * dy[i]!, 0);
  };
  return places.map((p) => (at(p, h) - at(p, -h)) / (2 * h));
}
