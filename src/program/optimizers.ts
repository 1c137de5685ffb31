/** One update of each optimizer. A new one is one rule in the table at the end. */
import type { Algebra } from "./algebra.js";
import type { NamedWeight } from "./state.js";

export type OptimizerKind = "adamw" | "sgd" | "lion" | "muon" | "adafactor";

export interface Update {
  readonly lr: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly weightDecay: number;
  /** 0: none. */
  readonly clip: number;
  /** From 1. */
  readonly t: number;
  /** Gradients are this many times too large. */
  readonly lossScale: number;
}

/** One weight with its gradient and states. */
export interface Slot<T> {
  readonly weight: NamedWeight;
  readonly p: T;
  readonly g: T;
  readonly m: T | undefined;
  readonly v: T | undefined;
}

/** `decay`: of this weight; `scale`: of its gradient (clipping, loss scale). */
export type Step = Update & { readonly decay: number; readonly scale: number };

export interface UpdateRule {
  /** Shapes of the states that a weight has. */
  readonly states: (weight: NamedWeight) => { readonly m?: readonly number[]; readonly v?: readonly number[] };
  update<T>(algebra: Algebra<T>, slot: Slot<T>, step: Step): void;
}

const elements = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Adam with decoupled weight decay (Loshchilov and Hutter 2019). */
const adamw: UpdateRule = {
  states: ({ spec }) => ({ m: spec.shape, v: spec.shape }),
  update: (algebra, { p, g, m, v }, step) => algebra.adamw(p, m!, v!, g, step),
};

const sgd: UpdateRule = {
  states: ({ spec }) => ({ m: spec.shape }),
  update(algebra, { p, g, m }, { lr, beta1, decay, scale }) {
    algebra.addInto(m!, m!, beta1 - 1);
    algebra.addInto(m!, g, scale);
    algebra.addInto(p, p, -lr * decay);
    algebra.addInto(p, m!, -lr);
  },
};

/** Sign of the interpolated momentum (Chen et al. 2023, algorithm 2). */
const lion: UpdateRule = {
  states: ({ spec }) => ({ m: spec.shape }),
  update(algebra, { p, g, m, weight }, { lr, beta1, beta2, decay, scale }) {
    const cost = { elements: 5 * elements(weight.spec.shape) };
    const work = (inputs: readonly (Float32Array | Int32Array)[]): void => {
      const [w, mean, grad] = inputs as readonly [Float32Array, Float32Array, Float32Array];
      for (let i = 0; i < w.length; i++) {
        const now = grad[i]! * scale;
        const towards = Math.sign(beta1 * mean[i]! + (1 - beta1) * now);
        w[i] = w[i]! - lr * (towards + decay * w[i]!);
        mean[i] = beta2 * mean[i]! + (1 - beta2) * now;
      }
    };
    algebra.loop([p, m!, g], [], cost, work, [0, 1]);
  },
};

/** Matrices of the layers; embeddings, head, norms and biases are AdamW's (Jordan et al. 2024). */
const isHidden = ({ name, spec }: NamedWeight): boolean =>
  spec.shape.length === 2 && !/embed|lm_head|\bwte\b|\bwpe\b/.test(name);

/** Newton-Schulz iterations towards the nearest orthogonal matrix: coefficients and count of Jordan's code. */
const newtonSchulz = { a: 3.4445, b: -4.775, c: 2.0315, steps: 5, eps: 1e-7 };

function orthogonal<T>(algebra: Algebra<T>, matrix: T): T {
  const [rows, columns] = algebra.shape(matrix) as [number, number];
  const tall = rows > columns;
  const norm = Math.sqrt(algebra.sumOfSquares(matrix));
  let x = algebra.scale(matrix, 1 / Math.max(norm, newtonSchulz.eps));
  for (let i = 0; i < newtonSchulz.steps; i++) {
    // The smaller of X Xᵀ and Xᵀ X.
    const gram = tall ? algebra.matmul(x, x, true, false) : algebra.matmul(x, x, false, true);
    const square = algebra.matmul(gram, gram, false, false);
    const mixed = algebra.scale(gram, newtonSchulz.b);
    algebra.addInto(mixed, square, newtonSchulz.c);
    const next = algebra.scale(x, newtonSchulz.a);
    if (tall) algebra.matmulInto(next, x, mixed, false, false);
    else algebra.matmulInto(next, mixed, x, false, false);
    for (const t of [gram, square, mixed, x]) algebra.free(t);
    x = next;
  }
  return x;
}

/**
 * Orthogonalised Nesterov momentum, as large as AdamW's updates are (Liu et al. 2025: 0.2 · √(larger side)), so that one
 * learning rate serves both parts.
 */
const muon: UpdateRule = {
  states: (weight) => (isHidden(weight) ? { m: weight.spec.shape } : adamw.states(weight)),
  update(algebra, slot, step) {
    if (!isHidden(slot.weight)) {
      adamw.update(algebra, slot, step);
      return;
    }
    const { p, g, weight } = slot;
    const m = slot.m!;
    const { lr, beta1, decay, scale } = step;
    algebra.addInto(m, m, beta1 - 1);
    algebra.addInto(m, g, (1 - beta1) * scale);
    const ahead = algebra.scale(g, (1 - beta1) * scale);
    algebra.addInto(ahead, m, beta1);
    const update = orthogonal(algebra, ahead);
    algebra.addInto(p, p, -lr * decay);
    algebra.addInto(p, update, -lr * 0.2 * Math.sqrt(Math.max(...weight.spec.shape)));
    algebra.free(ahead);
    algebra.free(update);
  },
};

/** Smallest size of a weight that updates are relative to, and of a mean square. */
const adafactorEps = 1e-3;

/**
 * Factored second moments (Shazeer and Stern 2018, algorithms 4 and 5): no momentum, updates clipped at a root mean square of
 * 1 and relative to the weight's own. `m` holds the rows' means, `v` the columns', or all of a vector's.
 */
const adafactor: UpdateRule = {
  states: ({ spec }) => (spec.shape.length === 2 ? { m: [spec.shape[0]!], v: [spec.shape[1]!] } : { v: spec.shape }),
  update(algebra, { p, g, m, v, weight }, { lr, beta2, eps, decay, scale, t }) {
    const { shape } = weight.spec;
    const n = elements(shape);
    // The decay of the paper's section 7.2, not above the one asked for.
    const fresh = Math.max(1 - beta2, t ** -0.8);
    const inputs = m === undefined ? [p, g, v!] : [p, g, v!, m];
    const work = (given: readonly (Float32Array | Int32Array)[]): void => {
      const [w, grad, column, row] = given as readonly Float32Array[] as [
        Float32Array,
        Float32Array,
        Float32Array,
        Float32Array?,
      ];
      const columns = row === undefined ? n : shape[1]!;
      const rows = n / columns;
      if (row !== undefined) {
        const sums = new Float64Array(columns);
        for (let r = 0; r < rows; r++) {
          let sum = 0;
          for (let c = 0; c < columns; c++) {
            const square = (grad[r * columns + c]! * scale) ** 2;
            sum += square;
            sums[c] = sums[c]! + square;
          }
          row[r] = (1 - fresh) * row[r]! + (fresh * sum) / columns;
        }
        for (let c = 0; c < columns; c++) column[c] = (1 - fresh) * column[c]! + (fresh * sums[c]!) / rows;
      } else for (let i = 0; i < n; i++) column[i] = (1 - fresh) * column[i]! + fresh * (grad[i]! * scale) ** 2;
      const mean = row === undefined ? 1 : Math.max(eps, row.reduce((a, b) => a + b, 0) / rows);
      const size = Math.sqrt(w.reduce((a, b) => a + b * b, 0) / n);
      const update = new Float64Array(n);
      let squares = 0;
      for (let i = 0; i < n; i++) {
        const variance = row === undefined ? column[i]! : (row[Math.floor(i / columns)]! * column[i % columns]!) / mean;
        update[i] = (grad[i]! * scale) / Math.sqrt(Math.max(variance, eps));
        squares += update[i]! ** 2;
      }
      const rate = (lr * Math.max(adafactorEps, size)) / Math.max(1, Math.sqrt(squares / n));
      for (let i = 0; i < n; i++) w[i] = w[i]! - lr * decay * w[i]! - rate * update[i]!;
    };
    algebra.loop(inputs, [], { elements: 6 * n, exponentials: n }, work, m === undefined ? [0, 2] : [0, 2, 3]);
  },
};

export const updateRules: Readonly<Record<OptimizerKind, UpdateRule>> = { adamw, sgd, lion, muon, adafactor };

export const isOptimizer = (name: string): name is OptimizerKind => name in updateRules;
