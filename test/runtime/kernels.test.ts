import { readFileSync } from "node:fs";
import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-cpu";
import { beforeAll, describe, expect, it } from "vitest";
// @ts-expect-error a script without types
import { compileKernels } from "../../scripts/kernels.mjs";
import type { Algebra } from "../../src/program/index.js";
import { formats } from "../../src/program/index.js";
import { type Handle, startBackend } from "../../src/runtime/backend/index.js";

let algebra: Algebra<Handle>;
beforeAll(async () => {
  algebra = (await startBackend("wasm")).algebra;
});

/** What plain TensorFlow.js on the CPU backend makes of the same values. */
async function reference(work: () => tf.Tensor): Promise<Float32Array> {
  await tf.setBackend("cpu");
  const result = tf.tidy(work);
  const values = (await result.data()) as Float32Array;
  result.dispose();
  await tf.setBackend("wasm");
  return values;
}
const wave = (n: number, f = 1): Float32Array =>
  Float32Array.from({ length: n }, (_, i) => 2 * Math.sin(1 + i * 1.7 * f));

function close(actual: Float32Array, expected: Float32Array, tolerance = 2e-5): void {
  expect(actual.length).toBe(expected.length);
  actual.forEach((a, i) => {
    expect(Math.abs(a - expected[i]!), `at ${i}: ${a} ${expected[i]}`).toBeLessThan(
      tolerance * (1 + Math.abs(expected[i]!)),
    );
  });
}

it("the compiled kernels are those of kernels/", async () => {
  expect(await compileKernels()).toBe(readFileSync("src/runtime/kernels/module.ts", "utf8"));
}, 60_000);

describe("matrix products in all transpose combinations, sizes with every kind of edge", () => {
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
        it(`${m} × ${n} × ${k}${ta ? ", a transposed" : ""}${tb ? ", b transposed" : ""}`, async () => {
          const [aShape, bShape] = [ta ? [k, m] : [m, k], tb ? [n, k] : [k, n]] as [[number, number], [number, number]];
          const [av, bv] = [wave(m * k), wave(k * n, 0.3)];
          const a = algebra.floats(av, aShape);
          const b = algebra.floats(bv, bShape);
          const c = algebra.matmul(a, b, ta, tb);
          const expected = await reference(() => tf.matMul(tf.tensor2d(av, aShape), tf.tensor2d(bv, bShape), ta, tb));
          close(algebra.read(c), expected, 1e-4);
          algebra.matmulInto(c, a, b, ta, tb);
          close(
            algebra.read(c),
            expected.map((x) => 2 * x),
            1e-4,
          );
          for (const t of [a, b, c]) algebra.free(t);
        });
});

describe("activations and their slopes", () => {
  const functions: Record<string, (x: tf.Tensor) => tf.Tensor> = {
    silu: (x) => tf.mul(x, tf.sigmoid(x)),
    gelu: (x) => tf.mul(tf.mul(x, 0.5), tf.add(1, tf.erf(tf.mul(x, Math.SQRT1_2)))),
    gelu_tanh: (x) =>
      tf.mul(
        tf.mul(x, 0.5),
        tf.add(1, tf.tanh(tf.mul(Math.sqrt(2 / Math.PI), tf.add(x, tf.mul(0.044715, tf.pow(x, 3)))))),
      ),
    relu: (x) => tf.relu(x),
    relu_squared: (x) => tf.square(tf.relu(x)),
  };
  const slopes: Record<string, (x: tf.Tensor) => tf.Tensor> = {
    silu: (x) => tf.mul(tf.sigmoid(x), tf.add(1, tf.mul(x, tf.sub(1, tf.sigmoid(x))))),
    gelu: (x) =>
      tf.add(
        tf.mul(0.5, tf.add(1, tf.erf(tf.mul(x, Math.SQRT1_2)))),
        tf.mul(x, tf.mul(1 / Math.sqrt(2 * Math.PI), tf.exp(tf.mul(-0.5, tf.square(x))))),
      ),
    gelu_tanh: (x) => {
      const c = Math.sqrt(2 / Math.PI);
      const t = tf.tanh(tf.mul(c, tf.add(x, tf.mul(0.044715, tf.pow(x, 3)))));
      const inner = tf.mul(c, tf.add(1, tf.mul(3 * 0.044715, tf.square(x))));
      return tf.add(tf.mul(0.5, tf.add(1, t)), tf.mul(tf.mul(tf.mul(0.5, x), tf.sub(1, tf.square(t))), inner));
    },
    relu: (x) => tf.step(x),
    relu_squared: (x) => tf.mul(2, tf.relu(x)),
  };
  it.each(Object.keys(functions))("%s", async (kind) => {
    const values = Float32Array.from({ length: 203 }, (_, i) => (i - 101) / 12);
    const x = algebra.floats(values, [203]);
    const dy = algebra.floats(wave(203), [203]);
    const name = kind as Parameters<typeof algebra.activation>[0];
    const y = algebra.activation(name, x);
    const dx = algebra.activationBackward(name, x, dy);
    close(algebra.read(y), await reference(() => functions[kind]!(tf.tensor1d(values))));
    close(
      algebra.read(dx),
      await reference(() => tf.mul(slopes[kind]!(tf.tensor1d(values)), tf.tensor1d(wave(203)))),
      1e-4,
    );
    for (const t of [x, dy, y, dx]) algebra.free(t);
  });
});

it("big sums stay exact where serial fp32 would not", () => {
  const rows = 2 ** 15;
  const x = algebra.floats(new Float32Array(rows * 4).fill(1.0001), [rows, 4]);
  const sum = algebra.zeros([4]);
  algebra.sumRowsInto(sum, x);
  for (const s of algebra.read(sum)) expect(Math.abs(s / (rows * 1.0001) - 1)).toBeLessThan(1e-5);
  expect(algebra.sumOfSquares(x) / (rows * 4 * 1.0001 ** 2)).toBeCloseTo(1, 6);
  algebra.free(x);
  algebra.free(sum);
});

describe("rounding to smaller formats, ties to even, subnormals, overflow", () => {
  // Values by the formats' definitions (IEEE 754; OCP OFP8), not by this code.
  const cases: Record<keyof typeof formats, readonly (readonly [number, number])[]> = {
    bf16: [
      [1.00390625, 1],
      [1.01171875, 1.015625],
      [3.14159274, 3.140625],
      [-0.1, -0.10009765625],
      [1e-40, 2 ** -133],
    ],
    fp16: [
      [1.00048828125, 1],
      [1.00146484375, 1.001953125],
      [65519, 65504],
      [65520, Number.POSITIVE_INFINITY],
      [2 ** -24, 2 ** -24],
      [2 ** -25, 0],
      [3e-8, 2 ** -24 * 1],
    ],
    e4m3: [
      [1.0625, 1],
      [1.1875, 1.25],
      [447, 448],
      [1000, 448],
      [-1000, -448],
      [2 ** -9, 2 ** -9],
      [2 ** -10, 0],
      [0.3, 0.3125],
    ],
    e5m2: [
      [1.125, 1],
      [1.375, 1.5],
      [60000, 57344],
      [2 ** -16, 2 ** -16],
      [2 ** -17, 0],
      [0.3, 0.3125],
    ],
  };
  it.each(Object.keys(cases) as (keyof typeof formats)[])("%s", (name) => {
    const x = algebra.floats(
      Float32Array.from(cases[name], ([v]) => v),
      [cases[name].length],
    );
    algebra.round(x, formats[name]);
    const got = algebra.read(x);
    cases[name].forEach(([from, to], i) => {
      if (Number.isFinite(to))
        expect(Math.abs(got[i]! - Math.fround(to)), `${from} → ${got[i]}`).toBeLessThanOrEqual(Math.abs(to) * 1e-6);
      else expect(got[i]).toBe(to);
    });
    algebra.free(x);
  });
});
