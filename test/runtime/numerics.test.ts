/** 8-bit floats, their scales, and training with them, against PyTorch (make_numerics.py). */
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import type { Op } from "../../src/model/graph.js";
import {
  type Algebra,
  formats,
  fp8Recipes,
  freeState,
  makeState,
  type OpContext,
  objectivePrograms,
  opPrograms,
  quantise,
  roundValue,
  runMicro,
  ShapeAlgebra,
} from "../../src/program/index.js";
import { type Backend, type Handle, startBackend } from "../../src/runtime/backend/index.js";
import { initialValues } from "../../src/runtime/train/index.js";
import { gpt2, llama } from "./graphs.js";

const expected = JSON.parse(readFileSync(`${import.meta.dirname}/fixtures/numerics.json`, "utf8")) as {
  readonly values: number[];
  readonly casts: { readonly e4m3: number[]; readonly e5m2: number[] };
  readonly matrix: [number, number];
  readonly cases: readonly {
    readonly recipe: string;
    readonly operand: "input" | "weight" | "gradient";
    readonly along: 0 | 1;
    readonly sample: number[];
    readonly error: number;
  }[];
};
let backend: Backend;
beforeAll(async () => {
  backend = await startBackend("wasm");
});

it.each(["e4m3", "e5m2"] as const)("%s rounds as PyTorch does", (name) => {
  const rounded = expected.values.map((v) => roundValue(Math.fround(v), formats[name]));
  expect(rounded.map((v) => v + 0)).toEqual(expected.casts[name].map((v) => v + 0));
});

it.each(expected.cases.map((c) => [`${c.recipe} ${c.operand} along ${c.along}`, c] as const))("%s", (_, given) => {
  const [rows, columns] = expected.matrix;
  const grow = (r: number): number => Math.exp(-4 + (7 * r) / (rows - 1));
  const x = Float32Array.from(
    { length: rows * columns },
    (_, i) => Math.fround(Math.sin(Math.fround(i * Math.fround(0.11)))) * grow(Math.floor(i / columns)),
  );
  const out = new Float32Array(x.length);
  const recipe = fp8Recipes[given.recipe]!;
  const block = recipe.block(given.operand, given.along);
  quantise(x, expected.matrix, block, recipe.format(given.operand), recipe.powerOfTwo, out);
  // The inputs agree to fp32 rounding, which may tip a few values to the other side.
  const off = given.sample.filter((v, i) => Math.abs(out[97 * i]! - v) > 1e-5 * Math.abs(v)).length;
  expect(off / given.sample.length).toBeLessThan(0.02);
  const error = Math.sqrt(out.reduce((sum, v, i) => sum + (v - x[i]!) ** 2, 0));
  expect(Math.abs(error / given.error - 1)).toBeLessThan(0.01);
});

describe.each(Object.keys(fp8Recipes))("%s", (name) => {
  it.each(["llama", "gpt2"] as const)("has a %s's gradients to 8 bits, and peaks where the shapes say", (family) => {
    const tiny = { vocab: 37, hidden: 24, heads: 4, kvHeads: 4, ffn: 20, layers: 2 };
    const graph = family === "llama" ? llama(tiny) : gpt2(tiny);
    const length = 16;
    const ids = (k: number) => Int32Array.from({ length: 2 * length }, (_, i) => (i * 7 + k) % 37);
    const run = <T>(algebra: Algebra<T>, fp8: boolean) => {
      const plain = makeState(algebra, graph, length, (w) => initialValues(w, 3));
      const state = fp8 ? { ...plain, fp8: fp8Recipes[name]! } : plain;
      const batch = {
        sequences: 2,
        length,
        tokens: ids(1),
        targets: ids(4),
        weights: new Float32Array(2 * length).fill(1),
      };
      const program = objectivePrograms.pretrain!;
      runMicro(program, { algebra, policy: state, other: undefined, batch, recompute: [], scale: 1 / 32, options: {} });
      const gradients = [...state.gradients].map(([n, g]) => [n, algebra.read(g)] as const);
      freeState(algebra, state);
      return gradients;
    };
    const exact = new Map(run(backend.algebra, false));
    const before = backend.meter.bytes;
    backend.meter.reset();
    const rounded = run(backend.algebra, true);
    const shapes = new ShapeAlgebra({ matmulFlops: 1, elementwiseBandwidth: 1, launchSeconds: 0, transcendentals: 1 });
    run(shapes, true);
    expect(backend.meter.peak - before).toBe(shapes.peak);
    const norm = (of: (name: string, g: Float32Array) => Float32Array): number =>
      Math.sqrt(rounded.reduce((sum, [n, g]) => sum + of(n, g).reduce((a, b) => a + b * b, 0), 0));
    const off = norm((n, g) => g.map((x, i) => x - exact.get(n)![i]!)) / norm((n) => exact.get(n)!);
    // Two layers of 3 (gradients: 2) mantissa bits; MX's scales clip a block's largest value by up to an eighth besides.
    expect(off).toBeGreaterThan(0.01);
    expect(off).toBeLessThan(name === "mx" ? 0.4 : 0.3);
  });
});

it.each(Object.keys(fp8Recipes))("a product under %s is that of the quantised operands, both ways", (name) => {
  const { algebra } = backend;
  const recipe = fp8Recipes[name]!;
  const [tokens, inputs, outputs] = [40, 48, 36];
  const wave = (n: number, k: number) =>
    Float32Array.from({ length: n }, (_, i) => Math.sin(i * 1.7 + k) * (1 + (i % 5)));
  const [x, w, dy] = [wave(tokens * inputs, 1), wave(outputs * inputs, 2), wave(tokens * outputs, 3)];
  const as = (values: Float32Array, shape: [number, number], kind: "input" | "weight" | "gradient", along: 0 | 1) => {
    const out = new Float32Array(values.length);
    quantise(values, shape, recipe.block(kind, along), recipe.format(kind), recipe.powerOfTwo, out);
    return out;
  };
  const dw = algebra.zeros([outputs, inputs]);
  const weight = algebra.floats(w, [outputs, inputs]);
  const context = {
    algebra,
    weight: () => weight,
    gradient: () => dw,
    round: undefined,
    fp8: recipe,
  } as unknown as OpContext<Handle>;
  const op = { id: "l", kind: "linear", weights: ["w"], attrs: {} } as unknown as Op;
  const [X, D] = [algebra.floats(x, [tokens, inputs]), algebra.floats(dy, [tokens, outputs])];
  const y = opPrograms.linear!.forward(context, op, [X]).outputs[0]!;
  const dx = opPrograms.linear!.backward(context, op, { inputs: [X], outputs: [], internals: [] }, [D])[0]!;
  const check = (
    got: Handle,
    rows: number,
    columns: number,
    depth: number,
    at: (r: number, c: number, k: number) => number,
  ) => {
    const values = algebra.read(got);
    for (const [r, c] of [
      [0, 0],
      [3, 7],
      [rows - 1, columns - 1],
    ] as const) {
      let sum = 0;
      for (let k = 0; k < depth; k++) sum += at(r, c, k);
      expect(Math.abs(values[r * columns + c]! - sum)).toBeLessThan(1e-3 * Math.max(1, Math.abs(sum)));
    }
  };
  const [xf, wf] = [as(x, [tokens, inputs], "input", 1), as(w, [outputs, inputs], "weight", 1)];
  check(y, tokens, outputs, inputs, (r, c, k) => xf[r * inputs + k]! * wf[c * inputs + k]!);
  const [db, wb] = [as(dy, [tokens, outputs], "gradient", 1), as(w, [outputs, inputs], "weight", 0)];
  check(dx, tokens, inputs, outputs, (r, c, k) => db[r * outputs + k]! * wb[k * inputs + c]!);
  const [xg, dg] = [as(x, [tokens, inputs], "input", 0), as(dy, [tokens, outputs], "gradient", 0)];
  check(dw, outputs, inputs, tokens, (r, c, k) => dg[k * outputs + r]! * xg[k * inputs + c]!);
  for (const t of [X, D, y, dx, dw, weight]) algebra.free(t);
});
