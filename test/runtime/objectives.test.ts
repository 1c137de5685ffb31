/** Losses, gradients and figures of every objective against PyTorch and TRL (make_objectives.py). */
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import type { ModelGraph } from "../../src/model/graph.js";
import {
  type Algebra,
  groupAdvantages,
  makeState,
  type ObjectiveBatch,
  type ObjectiveOptions,
  objectivePrograms,
  otherState,
  runMicro,
  ShapeAlgebra,
} from "../../src/program/index.js";
import { type Backend, startBackend } from "../../src/runtime/backend/index.js";
import { fixtureModel } from "./models.js";

interface Case {
  readonly objective: string;
  readonly options: Readonly<Record<string, number | string>>;
  readonly moved?: boolean;
  readonly loss: number;
  readonly gradients: Readonly<Record<string, readonly [norm: number, wave: number]>>;
  readonly sums: Readonly<Record<string, number>>;
  readonly old?: readonly number[];
}
const expected = JSON.parse(readFileSync(`${import.meta.dirname}/fixtures/objectives.json`, "utf8")) as {
  readonly tokens: readonly (readonly number[])[];
  readonly starts: readonly number[];
  readonly ends: readonly number[];
  readonly advantages: readonly number[];
  readonly cases: readonly Case[];
  readonly groups: { rewards: number[]; size: number; scaled: number[]; plain: number[] };
};

type Model = { readonly graph: ModelGraph; readonly values: ReadonlyMap<string, Float32Array> };
let backend: Backend;
let policy: Model;
let beside: Model;
beforeAll(async () => {
  backend = await startBackend("wasm");
  policy = await fixtureModel("llama2");
  beside = await fixtureModel("llama32");
});

const length = 20;
function batchOf(given: Case): ObjectiveBatch {
  const { tokens, starts, ends, advantages } = expected;
  return {
    sequences: tokens.length,
    length,
    tokens: Int32Array.from(tokens.flatMap((row) => row.slice(0, -1))),
    targets: Int32Array.from(tokens.flatMap((row) => row.slice(1))),
    weights: Float32Array.from(
      tokens.flatMap((row, r) => row.slice(1).map((_, i) => +(i >= starts[r]! && i < ends[r]!))),
    ),
    ...(given.objective === "grpo" ? { advantages: Float32Array.from(advantages) } : {}),
    ...(given.moved === true ? { oldLogProbs: Float32Array.from(given.old!) } : {}),
  };
}

function run<T>(algebra: Algebra<T>, given: Case, scale: number | undefined) {
  const options = Object.fromEntries(
    Object.entries(given.options).map(([k, value]) => [k, { value, from: "file" }]),
  ) as ObjectiveOptions;
  const program = objectivePrograms[given.objective]!;
  const state = makeState(algebra, policy.graph, length, ({ name }) => policy.values.get(name)!);
  const other = otherState(algebra, beside.graph, state, false, length, ({ name }) => beside.values.get(name)!);
  const batch = batchOf(given);
  const total = program.total(batch);
  const result = runMicro(program, {
    algebra,
    policy: state,
    other,
    batch,
    recompute: [{ layer: 1, mode: "full", ops: [], offload: [] }],
    scale: scale === undefined ? undefined : scale / total,
    options,
  });
  const gradients = new Map([...state.gradients].map(([name, g]) => [name, algebra.read(g)]));
  for (const s of [state, other]) {
    for (const t of [...s.weights.values(), ...s.gradients.values()]) algebra.free(t);
    for (const { cos, sin } of s.rope.values()) for (const t of [cos, sin]) algebra.free(t);
  }
  return { result, gradients, total };
}

const sum = (values: ArrayLike<number>): number => Array.from(values).reduce((a, b) => a + b, 0);

describe.each(
  expected.cases.map((c) => [`${c.objective} ${JSON.stringify(c.options)}${c.moved ? " off policy" : ""}`, c] as const),
)("%s", (_, given) => {
  it("has the loss, the figures and the gradients of PyTorch", () => {
    const { result, gradients, total } = run(backend.algebra, given, 1);
    expect(sum(result.losses) / total).toBeCloseTo(given.loss, 4);
    for (const [name, value] of Object.entries(given.sums))
      expect(result.sums![name]! / total, name).toBeCloseTo(value, 4);
    for (const [name, [norm, wave]] of Object.entries(given.gradients)) {
      const g = gradients.get(name)!;
      const tolerance = 2e-4 * norm + 1e-6;
      expect(Math.abs(Math.sqrt(sum(g.map((x) => x * x))) - norm), name).toBeLessThan(tolerance);
      expect(Math.abs(sum(g.map((x, i) => x * Math.cos(0.7 * i))) - wave), name).toBeLessThan(tolerance);
    }
  });

  it("only evaluates without a scale", () => {
    const { result, gradients, total } = run(backend.algebra, given, undefined);
    expect(sum(result.losses) / total).toBeCloseTo(given.loss, 4);
    for (const g of gradients.values()) expect(g.every((x) => x === 0)).toBe(true);
  });

  it("frees everything and peaks where the shapes say", () => {
    const shapes = new ShapeAlgebra({ matmulFlops: 1, elementwiseBandwidth: 1, launchSeconds: 0, transcendentals: 1 });
    const before = backend.meter.bytes;
    backend.meter.reset();
    run(backend.algebra, given, 1);
    run(shapes, given, 1);
    expect(backend.meter.bytes).toBe(before);
    expect(shapes.bytes).toBe(0);
    expect(backend.meter.peak - before).toBe(shapes.peak);
  });
});

it("advantages are those of TRL", () => {
  const { rewards, size, scaled, plain } = expected.groups;
  for (const [i, a] of groupAdvantages(rewards, size, true).entries()) expect(a).toBeCloseTo(scaled[i]!, 5);
  for (const [i, a] of groupAdvantages(rewards, size, false).entries()) expect(a).toBeCloseTo(plain[i]!, 5);
});
