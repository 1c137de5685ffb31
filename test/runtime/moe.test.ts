/** Mixture of experts and latent attention: gradients of PyTorch (make_objectives.py), balance, and the exact peak. */
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import type { ModelGraph, Op } from "../../src/model/graph.js";
import { buildGraph } from "../../src/model/index.js";
import {
  type Algebra,
  applyUpdate,
  freeState,
  type HostBatch,
  makeOptimizer,
  makeState,
  objectivePrograms,
  runMicro,
  ShapeAlgebra,
} from "../../src/program/index.js";
import { routeOf } from "../../src/program/ops/routing.js";
import { type Backend, startBackend } from "../../src/runtime/backend/index.js";
import { initialValues } from "../../src/runtime/train/index.js";
import { fixtureModel, specOf } from "./models.js";

const common = "layers = 2, hidden = 16, heads = 4, vocab = 37, context_length = 32, experts_per_token = 2, ffn = 24";
const graphs: Record<string, ModelGraph> = {
  "softmax scores, auxiliary loss": buildGraph(
    specOf(
      `architecture = mixtral, ${common}, kv_heads = 2, experts = 4, moe_ffn = 20, aux_loss = 0.5, balancing = aux_loss`,
    ),
  ),
  "latent attention, sigmoid scores, groups, shared expert, bias": buildGraph(
    specOf(
      `architecture = deepseek_v3, ${common}, experts = 8, moe_ffn = 12, shared_experts = 1, dense_layers = 1, expert_groups = 4, groups_per_token = 2, routed_scale = 2.5, q_rank = 12, kv_rank = 16, rope_head_dim = 4, nope_head_dim = 8, value_head_dim = 8`,
    ),
  ),
};
let backend: Backend;
beforeAll(async () => {
  backend = await startBackend("wasm");
});

const [sequences, length] = [2, 11];
const ids = (seed: number): Int32Array =>
  Int32Array.from({ length: sequences * length }, (_, i) => (i * 17 + seed * 5 + (i % 7) * (i % 3)) % 37);
const batch: HostBatch = {
  sequences,
  length,
  tokens: ids(1),
  targets: ids(2),
  weights: Float32Array.from({ length: sequences * length }, (_, i) => (i % 5 === 0 ? 0 : 1)),
};
const start = (w: Parameters<typeof initialValues>[0]) => initialValues(w, 5).map((v) => v * 15);

function run<T>(algebra: Algebra<T>, graph: ModelGraph) {
  const state = makeState(algebra, graph, length, start);
  const recompute = [{ layer: 1, mode: "full" as const, ops: [], offload: [] }];
  const { sums } = runMicro(objectivePrograms.pretrain!, {
    algebra,
    policy: state,
    other: undefined,
    batch,
    recompute,
    scale: 1,
    options: {},
  });
  freeState(algebra, state);
  return sums!;
}

interface Expected {
  readonly model: string;
  readonly aux: number;
  readonly loss: number;
  readonly balance: number;
  readonly gradients: Readonly<Record<string, readonly [norm: number, wave: number]>>;
}
const file = JSON.parse(readFileSync(`${import.meta.dirname}/fixtures/objectives.json`, "utf8")) as {
  readonly tokens: readonly (readonly number[])[];
  readonly starts: readonly number[];
  readonly ends: readonly number[];
  readonly experts: readonly Expected[];
};
const sum = (values: ArrayLike<number>): number => Array.from(values).reduce((a, b) => a + b, 0);

/** The graph with another weight of the auxiliary loss. */
function withAux(graph: ModelGraph, auxLoss: number): ModelGraph {
  const balancing = auxLoss > 0 ? "aux_loss" : "none";
  const kinds = Object.entries(graph.kinds).map(([id, kind]) => {
    const ops = kind.ops.map((op) =>
      op.attrs.experts === undefined || op.attrs.balancing === "bias"
        ? op
        : { ...op, attrs: { ...op.attrs, auxLoss, balancing } },
    );
    return [id, { ...kind, ops }];
  });
  return { ...graph, kinds: Object.fromEntries(kinds) };
}

describe.each(file.experts.map((e) => [e.model, e] as const))("%s", (name, expected) => {
  it("has the loss, the balance and the gradients of PyTorch", async () => {
    const { graph, values } = await fixtureModel(name);
    const { algebra } = backend;
    const { tokens, starts, ends } = file;
    const state = makeState(algebra, withAux(graph, expected.aux), 20, (w) => values.get(w.name)!);
    const program = objectivePrograms.pretrain!;
    const given = {
      sequences: tokens.length,
      length: 20,
      tokens: Int32Array.from(tokens.flatMap((row) => row.slice(0, -1))),
      targets: Int32Array.from(tokens.flatMap((row) => row.slice(1))),
      weights: Float32Array.from(
        tokens.flatMap((row, r) => row.slice(1).map((_, i) => +(i >= starts[r]! && i < ends[r]!))),
      ),
    };
    const total = program.total(given);
    const { losses, sums } = runMicro(program, {
      algebra,
      policy: state,
      other: undefined,
      batch: given,
      recompute: [{ layer: 2, mode: "full", ops: [], offload: [] }],
      scale: 1 / total,
      options: {},
    });
    expect(sum(losses) / total).toBeCloseTo(expected.loss, 4);
    if (expected.aux > 0) expect(sums!.aux_loss! / total).toBeCloseTo(expected.balance, 4);
    for (const [weight, [norm, wave]] of Object.entries(expected.gradients)) {
      const g = algebra.read(state.gradients.get(weight)!);
      const tolerance = 3e-4 * norm + 1e-6;
      expect(Math.abs(Math.sqrt(sum(g.map((x) => x * x))) - norm), weight).toBeLessThan(tolerance);
      expect(Math.abs(sum(g.map((x, i) => x * Math.cos(0.7 * i))) - wave), weight).toBeLessThan(tolerance);
    }
    freeState(algebra, state);
  });
});

describe.each(Object.entries(graphs))("%s", (_, graph) => {
  it("frees everything and peaks where the shapes say, whatever the balance", () => {
    const shapes = new ShapeAlgebra({ matmulFlops: 1, elementwiseBandwidth: 1, launchSeconds: 0, transcendentals: 1 });
    const before = backend.meter.bytes;
    backend.meter.reset();
    const { expert_load: load } = run(backend.algebra, graph);
    run(shapes, graph);
    expect(load! / objectivePrograms.pretrain!.total(batch)).toBeGreaterThan(1);
    expect(backend.meter.bytes).toBe(before);
    expect(shapes.bytes).toBe(0);
    expect(backend.meter.peak - before).toBe(shapes.peak);
  });
});

it("the bias moves towards experts with less load, and is no weight that trains", () => {
  const graph = graphs["latent attention, sigmoid scores, groups, shared expert, bias"]!;
  const { algebra } = backend;
  const state = makeState(algebra, graph, length, start);
  const optimizer = makeOptimizer(algebra, state, "adamw");
  const name = "model.layers.1.mlp.gate.e_score_correction_bias";
  const before = algebra.read(state.weights.get(name)!);
  expect(state.gradients.has(name)).toBe(false);
  runMicro(objectivePrograms.pretrain!, {
    algebra,
    policy: state,
    other: undefined,
    batch,
    recompute: [],
    scale: 1,
    options: {},
  });
  const load = [...state.routing!.layers.values()].find((l) => l.load !== undefined)!.load!;
  const mean = load.reduce((a, b) => a + b, 0) / load.length;
  const update = { lr: 1e-3, beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0, clip: 1, t: 1, lossScale: 1 };
  applyUpdate(algebra, state, optimizer, update);
  const after = algebra.read(state.weights.get(name)!);
  after.forEach((b, e) => {
    expect(b - before[e]!).toBeCloseTo(0.001 * Math.sign(mean - load[e]!), 6);
  });
  freeState(algebra, state);
  for (const tensors of [optimizer.m, optimizer.v]) for (const t of tensors.values()) algebra.free(t);
});

it("capacity keeps the first tokens that come, and drops the others", () => {
  const attrs = { experts: 4, topK: 1, score: "softmax", capacity: 1, normTopk: false, routedScale: 1, groups: 1 };
  const scores = Float32Array.from({ length: 8 * 4 }, (_, i) => (i % 4 === (i < 20 ? 2 : 1) ? 3 : 0));
  const route = routeOf({ attrs } as unknown as Op, scores, undefined);
  expect([...route.counts]).toEqual([0, 2, 2, 0]);
  expect([...route.kept]).toEqual([1, 1, 0, 0, 0, 1, 1, 0]);
  expect([...route.rowOf].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  expect(route.rowOf[5]).toBeLessThan(route.rowOf[0]!);
});
