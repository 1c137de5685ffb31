/** What every backend's algebra must do, op by op, forward and backward, against float64 by the definitions. */
import { beforeAll, describe, expect, it } from "vitest";
import { RunFailure } from "../../src/diagnostics/index.js";
import {
  type ActivationKind,
  type Algebra,
  type AttentionSpec,
  formats,
  type RopeSpec,
} from "../../src/program/index.js";
import type { Backend, Handle } from "../../src/runtime/backend/index.js";
import * as naive from "./naive.js";

/** Deterministic numbers in (−1, 1), all different. */
export function numbers(seed: number, n: number): Float32Array {
  let s = seed;
  return Float32Array.from({ length: n }, () => {
    s = (Math.imul(s, 1664525) + 1013904223) | 0;
    return (s >>> 8) / 2 ** 23 - 1;
  });
}
const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

function close(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 2e-5): void {
  expect(actual.length).toBe(expected.length);
  for (let i = 0; i < expected.length; i++)
    if (!(Math.abs(actual[i]! - expected[i]!) <= tolerance * (1 + Math.abs(expected[i]!))))
      expect.fail(`at ${i}: ${actual[i]}, expected ${expected[i]}`);
}

export function contract(start: () => Promise<Backend>, tolerance = 2e-5): void {
  let algebra: Algebra<Handle>;
  let backend: Backend;
  beforeAll(async () => {
    backend = await start();
    algebra = backend.algebra;
  });
  const made: Handle[] = [];
  const own = (x: Handle): Handle => {
    made.push(x);
    return x;
  };
  const put = (seed: number, shape: readonly number[]): [Handle, Float32Array] => {
    const values = numbers(seed, size(shape));
    return [own(algebra.floats(values, shape)), values];
  };
  const ints = (values: readonly number[], shape: readonly number[]): Handle =>
    own(algebra.ints(Int32Array.from(values), shape));
  const values = (x: Handle): Float32Array => algebra.read(x);
  /** Runs, frees all that was made, and finds that nothing is left. */
  const check = (name: string, work: () => void): void => {
    it(name, () => {
      const before = backend.meter.bytes;
      work();
      for (const x of made.splice(0)) algebra.free(x);
      expect(backend.meter.bytes).toBe(before);
    });
  };

  describe("data", () => {
    check("rows, putRows, view, share, clear, zeros", () => {
      const [x, v] = put(1, [5, 3]);
      close(values(own(algebra.rows(x, 1, 3))), v.subarray(3, 12), 0);
      const into = own(algebra.zeros([5, 3]));
      close(values(into), new Float32Array(15), 0);
      algebra.putRows(into, own(algebra.rows(x, 3, 2)), 1);
      close(values(into), [0, 0, 0, ...v.subarray(9, 15), 0, 0, 0, 0, 0, 0], 0);
      const flat = own(algebra.view(into, [15]));
      expect(algebra.shape(flat)).toEqual([15]);
      const shared = own(algebra.share(into));
      algebra.putRows(into, x, 0);
      close(values(flat), v, 0);
      algebra.addInto(flat, x);
      close(
        values(shared),
        v.map((a) => 2 * a),
        1e-6,
      );
      close(values(x), v, 0);
      algebra.clear(into);
      close(values(shared), new Float32Array(15), 0);
      expect(values(own(algebra.rows(ints([4, 5, 6], [3]), 1, 2)))).toHaveLength(2);
    });
    check("add, multiply, scale, addInto, addBias, sumRowsInto", () => {
      const [a, av] = put(1, [7, 5]);
      const [b, bv] = put(2, [7, 5]);
      const [bias, cv] = put(3, [5]);
      close(
        values(own(algebra.add(a, b))),
        av.map((x, i) => x + bv[i]!),
      );
      close(
        values(own(algebra.multiply(a, b))),
        av.map((x, i) => x * bv[i]!),
      );
      const s = own(algebra.scale(a, -2.5));
      close(
        values(s),
        av.map((x) => -2.5 * x),
      );
      const copy = own(algebra.scale(a, 1));
      algebra.addInto(copy, b, 0.5);
      algebra.addInto(copy, b);
      close(
        values(copy),
        av.map((x, i) => x + 1.5 * bv[i]!),
      );
      close(values(a), av, 0);
      const empty = own(algebra.zeros([7, 5]));
      algebra.addInto(empty, b);
      algebra.addBias(empty, bias);
      close(
        values(empty),
        bv.map((x, i) => x + cv[i % 5]!),
      );
      close(values(b), bv, 0);
      const sums = own(algebra.zeros([5]));
      for (const n of [1, 2]) {
        algebra.sumRowsInto(sums, a);
        close(
          values(sums),
          Array.from({ length: 5 }, (_, j) => n * [0, 1, 2, 3, 4, 5, 6].reduce((t, i) => t + av[i * 5 + j]!, 0)),
        );
      }
    });
    check("big sums are accurate, the largest number is found", () => {
      const n = 2 ** 16;
      const x = own(algebra.floats(new Float32Array(n * 2).fill(1.0001), [n, 2]));
      const sum = own(algebra.zeros([2]));
      algebra.sumRowsInto(sum, x);
      for (const s of values(sum)) expect(Math.abs(s / (n * 1.0001) - 1)).toBeLessThan(2e-5);
      expect(Math.abs(algebra.sumOfSquares(x) / (2 * n * 1.0001 ** 2) - 1)).toBeLessThan(2e-5);
      const [y, yv] = put(5, [3, 37]);
      expect(algebra.largest(y)).toBe(Math.max(...yv.map(Math.abs)));
    });
    check("embedding and its gradient, ids twice", () => {
      const [w, wv] = put(1, [6, 3]);
      const ids = ints([2, 0, 2, 5], [4]);
      close(
        values(own(algebra.embedding(w, ids))),
        [2, 0, 2, 5].flatMap((i) => [...wv.subarray(3 * i, 3 * i + 3)]),
        0,
      );
      const [dy, dv] = put(2, [4, 3]);
      const [dw, before] = put(3, [6, 3]);
      algebra.embeddingBackwardInto(dw, ids, dy);
      const expected = Array.from(before);
      [2, 0, 2, 5].forEach((id, i) => {
        for (let j = 0; j < 3; j++) expected[3 * id + j] = expected[3 * id + j]! + dv[3 * i + j]!;
      });
      close(values(dw), expected);
    });
  });

  describe("ids outside their table are an error, and nothing is made", () => {
    const fails = (what: string, work: () => void): void =>
      check(what, () => {
        const bytes = backend.meter.bytes;
        let failure: unknown;
        try {
          work();
        } catch (error) {
          failure = error;
        }
        expect(failure).toBeInstanceOf(RunFailure);
        expect((failure as RunFailure).diagnostic.code).toBe("LLMP6009");
        for (const x of made) algebra.free(x);
        made.length = 0;
        expect(backend.meter.bytes).toBeLessThanOrEqual(bytes);
      });
    for (const id of [6, -1, 2 ** 30])
      fails(`embedding of ${id}`, () => {
        const [w] = put(1, [6, 3]);
        algebra.embedding(w, ints([2, id], [2]));
      });
    for (const id of [11, -1])
      fails(`cross-entropy of ${id}, also in a part of the rows`, () => {
        const [logits] = put(1, [2, 11]);
        const [weights] = put(2, [2]);
        algebra.crossEntropy(logits, own(algebra.rows(ints([3, 0, id], [3]), 1, 2)), weights, 1, true);
      });
    fails("a rotary position beyond its tables", () => {
      const [x] = put(1, [2, 4]);
      const [cos] = put(2, [5, 2]);
      const spec: RopeSpec = { heads: 1, dim: 4, start: 0, rotary: 4, interleaved: false };
      algebra.rope(x, cos, cos, ints([4, 5], [2]), spec, 1);
    });
  });

  describe("matrix products", () => {
    const sizes = [
      [1, 1, 1],
      [4, 8, 4],
      [5, 9, 3],
      [130, 17, 261],
      [7, 520, 11],
    ] as const;
    for (const [m, n, k] of sizes)
      for (const ta of [false, true])
        for (const tb of [false, true])
          check(`${m} × ${n} × ${k}${ta ? ", a transposed" : ""}${tb ? ", b transposed" : ""}`, () => {
            const [a, av] = put(1, ta ? [k, m] : [m, k]);
            const [b, bv] = put(2, tb ? [n, k] : [k, n]);
            const expected = naive.matmul(av, bv, m, n, k, ta, tb);
            const c = own(algebra.matmul(a, b, ta, tb));
            close(values(c), expected, 5 * tolerance);
            algebra.matmulInto(c, a, b, ta, tb);
            close(
              values(c),
              expected.map((x) => 2 * x),
              5 * tolerance,
            );
            const zero = own(algebra.zeros([m, n]));
            algebra.matmulInto(zero, a, b, ta, tb);
            close(values(zero), expected, 5 * tolerance);
          });
  });

  describe("activations", () => {
    for (const kind of Object.keys(naive.activations) as ActivationKind[])
      check(kind, () => {
        const f = naive.activations[kind];
        const n = 203;
        const xv = Float32Array.from({ length: n }, (_, i) => (i - 100.5) / 12);
        const x = own(algebra.floats(xv, [7, 29]));
        const [dy, dv] = put(2, [7, 29]);
        const [up, uv] = put(3, [7, 29]);
        const slope = Array.from(xv, (v) => (f(v + 1e-5) - f(v - 1e-5)) / 2e-5);
        close(values(own(algebra.activation(kind, x))), Array.from(xv, f));
        close(
          values(own(algebra.activationBackward(kind, x, dy))),
          slope.map((s, i) => s * dv[i]!),
          1e-4,
        );
        close(
          values(own(algebra.gated(kind, x, up))),
          Array.from(xv, (v, i) => f(v) * uv[i]!),
        );
        const [dg, du] = algebra.gatedBackward(kind, x, up, dy).map(own) as [Handle, Handle];
        close(
          values(dg),
          slope.map((s, i) => s * uv[i]! * dv[i]!),
          1e-4,
        );
        close(
          values(du),
          Array.from(xv, (v, i) => f(v) * dv[i]!),
        );
      });
    check("softcap", () => {
      const xv = Float32Array.from({ length: 50 }, (_, i) => i - 25);
      const x = own(algebra.floats(xv, [5, 10]));
      const [dy, dv] = put(2, [5, 10]);
      const y = own(algebra.softcap(x, 7));
      close(
        values(y),
        Array.from(xv, (v) => 7 * Math.tanh(v / 7)),
      );
      const slope = Array.from(xv, (v) => 1 - Math.tanh(v / 7) ** 2);
      close(
        values(own(algebra.softcapBackward(y, dy, 7))),
        slope.map((s, i) => s * dv[i]!),
        1e-4,
      );
    });
  });

  describe("norms", () => {
    for (const centre of [false, true])
      for (const affine of [false, true])
        check(`${centre ? "LayerNorm" : "RMSNorm"}${affine ? " with weight" : ""}`, () => {
          const [rows, dim] = [5, 13];
          const spec = { centre, eps: 1e-5, offset: affine && !centre ? 1 : 0 };
          const [x, xv] = put(1, [rows, dim]);
          const [w, wv] = affine ? put(2, [dim]) : [undefined, undefined];
          const [b, bv] = affine && centre ? put(3, [dim]) : [undefined, undefined];
          const [dy, dv] = put(4, [rows, dim]);
          const stats = algebra.norm(x, w, b, spec);
          for (const t of [stats.y, stats.rstd, stats.mean]) if (t !== undefined) own(t);
          expect(stats.mean === undefined).toBe(!centre);
          close(values(stats.y), naive.norm(xv, wv, bv, dim, spec));
          const dw = affine ? own(algebra.zeros([dim])) : undefined;
          const db = b === undefined ? undefined : own(algebra.zeros([dim]));
          const dx = own(algebra.normBackward(dy, x, w, stats, dw, db, spec));
          const all = Array.from({ length: rows * dim }, (_, i) => i);
          close(
            values(dx),
            naive.slopes((v) => naive.norm(v, wv, bv, dim, spec), xv, dv, all),
            1e-4,
          );
          const some = all.slice(0, dim);
          if (dw !== undefined)
            close(
              values(dw),
              naive.slopes((v) => naive.norm(xv, v, bv, dim, spec), wv!, dv, some),
              1e-4,
            );
          if (db !== undefined)
            close(
              values(db),
              naive.slopes((v) => naive.norm(xv, wv, v, dim, spec), bv!, dv, some),
              1e-4,
            );
        });
  });

  describe("rotary embeddings", () => {
    for (const [start, rotary] of [
      [0, 8],
      [2, 4],
      [4, 8],
    ] as const)
      for (const interleaved of [false, true])
        check(
          `${rotary} of ${start + rotary + (start === 2 ? 2 : 0)} from ${start}${interleaved ? ", interleaved" : ""}`,
          () => {
            const spec: RopeSpec = {
              heads: 3,
              dim: start + rotary + (start === 2 ? 2 : 0),
              start,
              rotary,
              interleaved,
            };
            const at = [0, 1, 2, 0, 5];
            const [x, xv] = put(1, [5, spec.heads * spec.dim]);
            const [cos, cv] = put(2, [6, rotary / 2]);
            const [sin, sv] = put(3, [6, rotary / 2]);
            const positions = ints(at, [5]);
            for (const sign of [1, -1] as const) {
              const y = own(algebra.rope(x, cos, sin, positions, spec, sign));
              close(values(y), naive.rope(xv, cv, sv, at, spec, sign));
            }
          },
        );
  });

  describe("attention", () => {
    const base: AttentionSpec = {
      ...{ batch: 2, rows: 9, keys: 9, heads: 4, kvHeads: 4, dim: 6, valueDim: 6, scale: 0.7, cap: 0 },
      ...{ causal: true, window: 0 },
    };
    const cases: Record<string, Partial<AttentionSpec>> = {
      causal: {},
      full: { causal: false },
      "grouped heads": { kvHeads: 2 },
      "another value size": { valueDim: 5 },
      window: { window: 3 },
      "capped, with a window": { cap: 1.5, window: 4, kvHeads: 1 },
      "more keys than queries": { rows: 4, kvHeads: 2 },
      "longer than a block": { batch: 1, heads: 2, kvHeads: 1, rows: 150, keys: 150, dim: 3, valueDim: 3 },
      "longer, window": { batch: 1, heads: 1, kvHeads: 1, rows: 150, keys: 150, dim: 3, valueDim: 3, window: 20 },
    };
    for (const packed of [false, true])
      for (const [name, more] of Object.entries(cases))
        check(`${name}${packed ? ", packed" : ""}`, () => {
          const s = { ...base, ...more };
          const [q, qv] = put(1, [s.batch * s.rows, s.heads * s.dim]);
          const [k, kv] = put(2, [s.batch * s.keys, s.kvHeads * s.dim]);
          const [v, vv] = put(3, [s.batch * s.keys, s.kvHeads * s.valueDim]);
          const [dout, dv] = put(4, [s.batch * s.rows, s.heads * s.valueDim]);
          const ids = Array.from({ length: s.batch * s.keys }, (_, i) => ((i % s.keys) * 3 < s.keys ? 0 : 1));
          const segments = packed ? ints(ids, [s.batch, s.keys]) : undefined;
          const seen = packed ? ids : undefined;
          const { o, lse } = algebra.attention(q, k, v, segments, s);
          own(o);
          own(lse);
          close(values(o), naive.attention(qv, kv, vv, seen, s), 5 * tolerance);
          const gradients = algebra.attentionBackward(q, k, v, o, lse, dout, segments, s).map(own) as Handle[];
          const inputs = [qv, kv, vv];
          inputs.forEach((x, which) => {
            const places = Array.from({ length: 12 }, (_, i) => Math.floor((i * (x.length - 1)) / 11));
            const f = (moved: number[]): number[] => {
              const [a, b, c] = inputs.map((y, i) => (i === which ? moved : y));
              return naive.attention(a!, b!, c!, seen, s);
            };
            const got = values(gradients[which]!);
            close(
              places.map((p) => got[p]!),
              naive.slopes(f, x, dv, places),
              20 * tolerance,
            );
          });
        });
  });

  describe("loss and updates", () => {
    check("cross-entropy: weights, zero weights, its gradient in place", () => {
      const [rows, vocab] = [6, 11];
      const [logits, lv] = put(1, [rows, vocab]);
      const ids = [0, 10, 3, 3, 7, 1];
      const wv = [1, 0.5, 0, 2, 1, 1];
      const targets = ints(ids, [rows]);
      const weights = own(algebra.floats(Float32Array.from(wv), [rows]));
      const evaluated = own(algebra.crossEntropy(logits, targets, weights, 1, false));
      close(values(evaluated), naive.crossEntropy(lv, ids, wv, vocab));
      close(values(logits), lv, 0);
      const losses = own(algebra.crossEntropy(logits, targets, weights, 0.25, true));
      close(values(losses), naive.crossEntropy(lv, ids, wv, vocab));
      const all = Array.from(lv, (_, i) => i);
      const f = (x: number[]): number[] => naive.crossEntropy(x, ids, wv, vocab);
      close(values(logits), naive.slopes(f, lv, new Array(rows).fill(0.25), all));
    });
    check("loops over values, new and in place", () => {
      const [x, xv] = put(1, [3, 2]);
      const ids = ints([2, 0, 1], [3]);
      const [y] = algebra.loop([x, ids], [[3]], { elements: 9 }, ([values, at], [out]) => {
        for (let i = 0; i < 3; i++) out![i] = values![2 * at![i]!]!;
      });
      close(values(own(y!)), [xv[4]!, xv[0]!, xv[2]!], 0);
      algebra.loop(
        [x],
        [],
        { elements: 6 },
        ([all]) => {
          all!.fill(7);
        },
        [0],
      );
      close(values(x), new Array(6).fill(7), 0);
    });
    check("AdamW, three steps", () => {
      const n = 37;
      const [p, pv] = put(1, [n]);
      const m = own(algebra.zeros([n]));
      const v = own(algebra.zeros([n]));
      const s = { lr: 0.1, beta1: 0.9, beta2: 0.95, eps: 1e-8, decay: 0.1, scale: 0.5 };
      const expected = Array.from(pv);
      const [em, ev] = [new Float64Array(n), new Float64Array(n)];
      for (let t = 1; t <= 3; t++) {
        const [g, gv] = put(10 + t, [n]);
        algebra.adamw(p, m, v, g, { ...s, t });
        for (let i = 0; i < n; i++) {
          const grad = gv[i]! * s.scale;
          em[i] = s.beta1 * em[i]! + (1 - s.beta1) * grad;
          ev[i] = s.beta2 * ev[i]! + (1 - s.beta2) * grad * grad;
          const move = em[i]! / (1 - s.beta1 ** t) / (Math.sqrt(ev[i]! / (1 - s.beta2 ** t)) + s.eps);
          expected[i] = expected[i]! * (1 - s.lr * s.decay) - s.lr * move;
        }
        close(values(p), expected, 1e-5);
      }
      close(values(m), em, 1e-5);
      close(values(v), ev, 1e-5);
    });
  });

  describe("rounding to smaller formats: nearest, ties to even", () => {
    for (const [name, f] of Object.entries(formats))
      check(name, () => {
        const given = [
          0,
          1,
          -1,
          0.1,
          -0.3,
          1.0625,
          1.1875,
          1.375,
          3.14159,
          65519,
          65521,
          1e5,
          -447,
          1000,
          2 ** -9,
          2 ** -16,
          3e-8,
          2 ** -20,
          1e30,
          -1e38,
          3.4e38,
        ];
        const xv = Float32Array.from([...given, ...numbers(4, 200), ...numbers(5, 100).map((v) => v * 0.01)]);
        const x = own(algebra.floats(xv, [xv.length]));
        algebra.round(x, f);
        const got = values(x);
        xv.forEach((v, i) => {
          if (got[i] !== nearestOf(v, f)) expect.fail(`${v} became ${got[i]}, not ${nearestOf(v, f)}`);
        });
      });
  });
}

/** By the definition, in float64, where all of this is exact. */
function nearestOf(x: number, f: (typeof formats)[keyof typeof formats]): number {
  if (x === 0) return x;
  const exponent = Math.max(Math.floor(Math.log2(Math.abs(x))), f.emin);
  const unit = 2 ** (exponent - f.mantissa);
  const whole = Math.abs(x) / unit;
  const low = Math.floor(whole);
  const rest = whole - low;
  const rounded = (rest > 0.5 || (rest === 0.5 && low % 2 === 1) ? low + 1 : low) * unit;
  const bounded = rounded > f.largest ? (f.saturate ? f.largest : Number.POSITIVE_INFINITY) : rounded;
  return Math.sign(x) * bounded;
}
