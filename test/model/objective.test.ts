/** Roles and phases of every objective, against counts made by hand. */
import { describe, expect, test } from "vitest";
import { objectiveByName } from "../../src/catalog/index.js";
import { families, type ModelSpec } from "../../src/checker/index.js";
import type { ModelGraph } from "../../src/model/graph.js";
import {
  buildGraph,
  cacheBytes,
  figuresOf,
  type ObjectiveGraph,
  objectiveGraph,
  phaseFigures,
  spanFlops,
} from "../../src/model/index.js";
import { checkFile } from "../checker/helpers.js";

const models = families.flatMap((family) => Object.entries(checkFile(`std/${family}.llmp`).value?.models ?? {}));
const spec = (name: string): ModelSpec => models.find(([n]) => n === name)?.[1] as ModelSpec;
const llama = spec("llama3_8b");
const policy = buildGraph(llama);
const frozen = buildGraph(llama, { freeze: ["*"] });
const adapter = {
  name: "a",
  span: undefined,
  kind: { value: "lora" },
  rank: { value: 16 },
  alpha: { value: 32 },
  dropout: { value: 0 },
  targets: { value: ["q_proj", "v_proj"] },
} as never;

const graphOf = (
  name: string,
  more: Partial<Parameters<typeof objectiveGraph>[1]> = {},
  options: Record<string, number> = {},
): ObjectiveGraph =>
  objectiveGraph(objectiveByName(name)!, {
    policy,
    sharesBase: false,
    options: Object.fromEntries(Object.entries(options).map(([k, value]) => [k, { value }])),
    ...more,
  });
const ids = (g: ObjectiveGraph): string[] => g.phases.map((p) => p.id);

/** Llama 3 8B by hand: 32 layers, hidden 4096, 32 heads and 8 key/value heads of 128, ffn 14336, vocabulary 128256. */
const linear = 32 * 2 * (4096 * (4096 + 2 * 1024) + 4096 * 4096 + 3 * 4096 * 14336);
const head = 2 * 4096 * 128256;
const attention = (pairs: number): number => 32 * 4 * 4096 * pairs;
const triangle = (n: number): number => (n * (n + 1)) / 2;

describe("phases", () => {
  test("of each objective, in the order of a step", () => {
    expect(ids(graphOf("pretrain"))).toEqual(["update"]);
    expect(ids(graphOf("sft"))).toEqual(["update"]);
    expect(ids(graphOf("dpo", { reference: frozen })).sort()).toEqual(["reference", "update"]);
    expect(ids(graphOf("distill", { teacher: frozen }))).toEqual(["teacher", "update"]);
    const rollouts = ["rollout.prefill", "rollout.decode", "reward"];
    expect(ids(graphOf("grpo", { reference: frozen }))).toEqual([...rollouts, "reference", "update"]);
    // A KL weight of zero has no reference; samples that are used again need the policy's word on them first.
    expect(ids(graphOf("grpo", {}, { updates: 4 }))).toEqual([...rollouts, "old_log_probs", "update"]);
    expect(ids(graphOf("grpo", { oldLogProbs: true }))).toContain("old_log_probs");
  });

  test("have a group of sequences for each prompt, two for each preference", () => {
    for (const p of graphOf("grpo", { reference: frozen }, { groupSize: 16 }).phases) expect(p.sequences).toBe(16);
    for (const p of graphOf("dpo", { reference: frozen }).phases) expect(p.sequences).toBe(2);
  });
});

describe("FLOPs", () => {
  test("of a rollout: prompts as a forward with one row of logits, answers token by token over the cache", () => {
    const g = graphOf("grpo", { reference: frozen }, { maxCompletion: 1024 });
    const [prefill, decode, reward, reference, update] = phaseFigures(g, 4096);
    expect(prefill!.flops).toBe(3072 * linear + attention(triangle(3072)) + head);
    expect(decode!.flops).toBe(1024 * (linear + head) + attention(triangle(4096) - triangle(3072)));
    expect(reward!.flops).toBe(0);
    expect(reference!.flops).toBe(4096 * (linear + head) + attention(triangle(4096)));
    expect(update!.flops).toBe(3 * reference!.flops);
    expect(update!.flops).toBe(4096 * figuresOf(policy, 4096).trainingFlops);
  });

  test("of a span and the one after it are those of both together", () => {
    for (const name of ["gemma3_1b", "mixtral_8x7b", "deepseek_v2_lite"]) {
      const g = buildGraph(spec(name));
      const whole = spanFlops(g, 1, 3000);
      expect(spanFlops(g, 1, 1700) + spanFlops(g, 1701, 3000)).toBeCloseTo(whole, -3);
    }
  });
});

describe("key/value caches", () => {
  test("grouped queries: two rows of 8 heads of 128 in each of 32 layers", () => {
    expect(cacheBytes(policy, 1)).toBe(2 * 2 * 8 * 128 * 32);
    expect(cacheBytes(policy, 8192, "expanded")).toBe(2 ** 30);
  });

  test("latent attention: 512 + 64 a layer where the latent is kept, 128 × (192 + 128) where heads are", () => {
    const deepseek = buildGraph(spec("deepseek_v3"));
    expect(cacheBytes(deepseek, 10, "latent")).toBe(10 * 2 * 61 * (512 + 64));
    expect(cacheBytes(deepseek, 10, "expanded")).toBe(10 * 2 * 61 * 128 * (192 + 128));
  });

  test("a sliding window forgets", () => {
    const m = spec("gemma3_1b");
    const g = buildGraph(m);
    const sliding = g.stack.filter((k) => k.endsWith("_sliding")).length;
    const full = m.layers.value - sliding;
    const row = 2 * 2 * m.kvHeads.value * m.headDim.value;
    expect(sliding).toBeGreaterThan(full);
    expect(cacheBytes(g, 8192)).toBe(row * (full * 8192 + sliding * m.slidingWindow!.value));
  });

  test("each new token reads all before it", () => {
    const [, decode] = phaseFigures(graphOf("grpo", {}, { maxCompletion: 100 }), 300);
    expect(decode!.cacheBytes).toBe(300 * 131072);
    expect(decode!.cacheReadBytes).toBe(131072 * (triangle(300) - triangle(200)));
  });
});

describe("weights", () => {
  const trained = (g: ModelGraph): number => g.trainableParameters;
  test("only the update has gradients and keeps activations; a reference has weights of its own", () => {
    const figures = phaseFigures(graphOf("grpo", { reference: frozen }), 4096);
    for (const f of figures) {
      expect(f.parameters).toBe(policy.parameters);
      expect(f.trainable).toBe(f.id === "update" ? trained(policy) : 0);
      expect(f.savedBytes).toBe(f.id === "update" ? 4096 * figuresOf(policy, 4096).savedBytes : 0);
      expect(f.own).toBe(f.role === "policy" || f.role === "reference" ? policy.parameters : 0);
    }
  });

  test("an adapter trains its own matrices only, and its reference is the base below it", () => {
    const adapted = buildGraph(llama, { adapter });
    const g = graphOf("dpo", { policy: adapted, reference: frozen, sharesBase: true });
    const of = (id: string) => phaseFigures(g, 2048).find((f) => f.id === id)!;
    // q_proj 4096 → 4096, v_proj 4096 → 1024, rank 16, 32 layers.
    expect(of("update").trainable).toBe(32 * 16 * (4096 + 4096 + 4096 + 1024));
    expect(of("reference").own).toBe(0);
    expect(of("reference").trainable).toBe(0);
    expect(of("reference").flops).toBe(2048 * (linear + head) + attention(triangle(2048)));
  });
});
