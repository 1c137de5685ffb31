/** Nothing is dropped silently: each setting that a plan can carry changes what an engine is given, or is refused with a reason. */
import { describe, expect, it } from "vitest";
import { emit } from "../../src/emit/index.js";
import type { Plan } from "../../src/planner/plan.js";
import { cases } from "./fixtures/cases.js";

// biome-ignore lint/suspicious/noExplicitAny: plans are changed at any depth
type Loose = any;
type Change = (plan: Loose, stage: Loose, spec: Loose) => void;

const k = (value: unknown) => ({ value, from: "file" });
const model = (p: Loose, spec: Loose): Loose => p.pipeline.models[spec.model.value];
const precisionOf = (p: Loose, stage: Loose): Loose => p.pipeline.precisions[stage.precision];
const dataset = (p: Loose): Loose => Object.values(p.pipeline.datasets)[0];

const optimizer =
  (key: string, value: number): Change =>
  (_p, _s, spec) => {
    spec.optimizer.value[key] = value;
  };
const schedule =
  (over: object): Change =>
  (_p, _s, spec) => {
    Object.assign(spec.optimizer.value.schedule, over);
  };
const ofModel =
  (key: string, value: unknown): Change =>
  (p, _s, spec) => {
    model(p, spec)[key] = k(value);
  };
const inPrecision =
  (key: string, value: unknown): Change =>
  (p, s) => {
    precisionOf(p, s)[key] = k(value);
  };
const objective =
  (key: string, value: unknown): Change =>
  (_p, _s, spec) => {
    spec.objective.options[key] = k(value);
  };
const ofAdapter =
  (key: string, value: unknown): Change =>
  (p, _s, spec) => {
    if (spec.adapter !== undefined) p.pipeline.adapters[spec.adapter.value][key] = k(value);
  };
const parallel =
  (over: object): Change =>
  (_p, s) => {
    Object.assign(s.parallel, over);
  };

/** Setting → the change that must be seen. */
const changes: Readonly<Record<string, Change>> = {
  steps: (_p, s) => {
    s.steps += 7;
  },
  context_length: (_p, s) => {
    s.context_length *= 2;
    s.tokens *= 2;
  },
  "batch and accumulation": (_p, s) => {
    s.global_batch *= 2;
    s.parallel.accumulation *= 2;
  },
  "micro-batch": (_p, s) => {
    s.global_batch *= 2;
    s.parallel.micro_batch *= 2;
  },
  lr: optimizer("lr", 5e-4),
  min_lr: optimizer("minLr", 2e-4),
  weight_decay: optimizer("weightDecay", 0.05),
  beta1: optimizer("beta1", 0.8),
  beta2: optimizer("beta2", 0.97),
  eps: optimizer("eps", 1e-6),
  clip: optimizer("clip", 0.5),
  "no clipping": optimizer("clip", 0),
  warmup: schedule({ warmup: { unit: "steps", amount: 5 } }),
  "linear schedule": schedule({ kind: "linear" }),
  "constant schedule": schedule({ kind: "constant" }),
  "wsd schedule": schedule({ kind: "wsd", decay: 0.1 }),
  sgd: (_p, _s, spec) => {
    spec.optimizer.value.kind = "sgd";
  },
  muon: (_p, _s, spec) => {
    spec.optimizer.value.kind = "muon";
  },
  save: (_p, _s, spec) => {
    spec.save = k({ unit: "steps", amount: 13 });
  },
  evaluate: (_p, _s, spec) => {
    spec.evaluate = k({ unit: "steps", amount: 17 });
  },
  freeze: (_p, _s, spec) => {
    spec.freeze = k(["*embed*"]);
  },
  seed: (_p, _s, spec) => {
    spec.seed = k(99);
  },
  packing: (_p, _s, spec) => {
    spec.packing = k(!spec.packing.value);
  },
  "all layers recomputed, or none": (p, s, spec) => {
    const none = s.recompute.layers.length > 0;
    s.recompute.layers = none
      ? []
      : Array.from({ length: model(p, spec).layers.value }, (_, i) => ({
          layer: i + 1,
          mode: "full",
          ops: [],
          offload: [],
        }));
  },
  "ops recomputed": (p, s, spec) => {
    s.recompute.layers = Array.from({ length: model(p, spec).layers.value }, (_, i) => ({
      layer: i + 1,
      mode: "ops",
      ops: ["mlp.up", "mlp.act"],
      offload: [],
    }));
  },
  "optimizer offload": (_p, s) => {
    s.offload = "optimizer";
  },
  "activation offload": (_p, s) => {
    s.offload = "activations";
  },
  "zero2 shards": parallel({ shard: "zero2" }),
  "hybrid shards": (_p, s) => {
    Object.assign(s.parallel, { shard: "hsdp", shard_group: Math.max(1, s.parallel.data / 2) });
  },
  tensor: parallel({ tensor: 16 }),
  sequence: (_p, s) => {
    Object.assign(s.parallel, { tensor: 4, sequence: !s.parallel.sequence });
  },
  context: parallel({ context: 4 }),
  expert: parallel({ expert: 4 }),
  "zero-bubble pipeline": parallel({ pipeline: 2, schedule: "zero_bubble" }),
  compute: inPrecision("compute", "fp16"),
  "fp32 compute": (p, s) => {
    Object.assign(precisionOf(p, s), { compute: k("fp32"), weights: k("fp32"), masterWeights: k("none") });
  },
  "no master weights": (p, s) => {
    Object.assign(precisionOf(p, s), { masterWeights: k("none"), gradients: k("bf16"), optimizerState: k("bf16") });
  },
  reduce: inPrecision("reduce", "bf16"),
  "optimizer state": inPrecision("optimizerState", "bf16"),
  gradients: inPrecision("gradients", "bf16"),
  "a second source": (p) => {
    dataset(p).source.value.push("s3://elsewhere/more/*.jsonl");
  },
  field: (p) => {
    const d = dataset(p);
    const key = ["field", "prompt", "chosen"].find((name) => d[name] !== undefined) ?? "field";
    d[key] = k("body");
  },
  "mix in documents": (p) => {
    for (const mix of Object.values<Loose>(p.pipeline.mixes)) mix.unit = k("documents");
  },
  "a mix that changes": (p) => {
    for (const mix of Object.values<Loose>(p.pipeline.mixes))
      mix.phases = [...mix.phases.slice(0, 1), { ...mix.phases[0], from: 0.37 }];
  },
  "held-out share": (p, _s, spec) => {
    spec.evaluate = k({ unit: "steps", amount: 17 });
    dataset(p).holdout = k(0.123);
  },
  layers: ofModel("layers", 6),
  hidden: (p, _s, spec) => {
    Object.assign(model(p, spec), { hidden: k(128), headDim: k(32) });
  },
  ffn: (p, _s, spec) => {
    const m = model(p, spec);
    if (m.moe === undefined) m.ffn = k(999);
    else m.moe.moeFfn = k(999);
  },
  kv_heads: ofModel("kvHeads", 1),
  vocab: ofModel("vocab", 777),
  rope_theta: ofModel("ropeTheta", 123456),
  norm_eps: ofModel("normEps", 1e-6),
  tied_embeddings: (p, _s, spec) => {
    model(p, spec).tiedEmbeddings = k(!model(p, spec).tiedEmbeddings.value);
  },
  "linear RoPE scaling": ofModel("ropeScaling", { kind: "linear", factor: 2, originalContext: 128 }),
  "Llama 3 RoPE scaling": ofModel("ropeScaling", {
    kind: "llama3",
    factor: 4,
    originalContext: 128,
    lowFrequencyFactor: 1,
    highFrequencyFactor: 4,
  }),
  "YaRN RoPE scaling": ofModel("ropeScaling", {
    kind: "yarn",
    factor: 4,
    originalContext: 128,
    betaFast: 30,
    betaSlow: 2,
  }),
  "attention bias": (p, _s, spec) => {
    model(p, spec).attentionBias = k(model(p, spec).attentionBias.value === "qkv" ? "none" : "qkv");
  },
  "sliding window": ofModel("slidingWindow", 33),
  dropout: ofModel("dropout", 0.25),
  "expert capacity": (p, _s, spec) => {
    const m = model(p, spec);
    if (m.moe !== undefined) m.moe.capacityFactor = k(1.25);
  },
  "auxiliary loss": (p, _s, spec) => {
    const m = model(p, spec);
    if (m.moe !== undefined) m.moe.auxLoss = k(0.5);
  },
  "experts per token": (p, _s, spec) => {
    const m = model(p, spec);
    if (m.moe !== undefined) m.moe.expertsPerToken = k(3);
  },
  "adapter rank": ofAdapter("rank", 33),
  "adapter alpha": ofAdapter("alpha", 77),
  "adapter dropout": ofAdapter("dropout", 0.07),
  "adapter targets": ofAdapter("targets", ["q_proj"]),
  qlora: ofAdapter("kind", "qlora"),
  beta: objective("beta", 0.37),
  "label smoothing": objective("labelSmoothing", 0.11),
  "group size": objective("groupSize", 4),
  kl: objective("kl", 0.37),
  clip_ratio: objective("clip", 0.37),
  updates: objective("updates", 2),
  temperature: objective("temperature", 0.7),
  "length of completions": objective("maxCompletion", 17),
  divergence: objective("divergence", "reverse_kl"),
  "hard labels": objective("hardLabels", 0.37),
  "reward weight": (p) => {
    for (const r of Object.values<Loose>(p.pipeline.rewards)) r.weight = k(0.123);
  },
  "reward kind": (p) => {
    for (const r of Object.values<Loose>(p.pipeline.rewards)) Object.assign(r, { kind: k("length") });
  },
  "other weights": (p, _s, spec) => {
    if (spec.startsFrom === undefined) model(p, spec).weights = k("s3://other/weights");
  },
  tokenizer: (p) => {
    for (const t of Object.values<Loose>(p.pipeline.tokenizers))
      if (t.file !== undefined) t.file = k("s3://other/tok/tokenizer.json");
  },
};

const shape =
  "layers hidden ffn kv_heads vocab rope_theta norm_eps tied_embeddings/linear RoPE scaling/Llama 3 RoPE scaling/YaRN RoPE scaling/attention bias/sliding window"
    .split("/")
    .flatMap((part, i) => (i === 0 ? part.split(" ") : [part]));

/** Settings that mean nothing where they are changed, so nothing can follow from them. */
function meaningless(setting: string, plan: Plan): boolean {
  const [spec] = plan.pipeline.stages;
  const kind = spec?.objective.kind ?? "";
  const only: Readonly<Record<string, readonly string[]>> = {
    beta: ["dpo"],
    "label smoothing": ["dpo"],
    "group size": ["grpo"],
    kl: ["grpo"],
    clip_ratio: ["grpo"],
    updates: ["grpo"],
    temperature: ["grpo", "distill"],
    "length of completions": ["grpo"],
    divergence: ["distill"],
    "hard labels": ["distill"],
    "reward weight": ["grpo"],
    "reward kind": ["grpo"],
  };
  const kinds = only[setting];
  if (kinds !== undefined && !kinds.includes(kind)) return true;
  if (setting.startsWith("adapter ") || setting === "qlora") return spec?.adapter === undefined;
  const moe = plan.pipeline.models[spec?.model.value ?? ""]?.moe !== undefined;
  if (["expert capacity", "auxiliary loss", "experts per token"].includes(setting)) return !moe;
  if (plan.stages[0]?.cluster.accelerators === 1) return ["zero2 shards", "hybrid shards", "reduce"].includes(setting);
  // verl reads the model's shape from its folder.
  return plan.stages[0]?.engine === "verl" && shape.includes(setting);
}

const bases = Object.keys(cases).filter((name) => name !== "local-llmp");

const textOf = async (plan: Plan): Promise<string> => {
  const outcome = await emit("engine", plan);
  if (outcome.value === undefined) {
    expect(new Set(outcome.diagnostics.map((d) => d.code))).toEqual(new Set(["LLMP5001"]));
    return `refused: ${outcome.diagnostics.map((d) => `${d.message}: ${d.hints[0]}`).join("; ")}`;
  }
  return outcome.value
    .filter((f) => !f.path.endsWith("README.md"))
    .map((f) => `${f.path}\n${f.text}`)
    .join("\n");
};

describe.each(bases)("%s", (name) => {
  const make = cases[name] as () => Plan;

  it("shows every changed setting", async () => {
    const before = await textOf(make());
    const silent: string[] = [];
    for (const [setting, change] of Object.entries(changes)) {
      const plan = JSON.parse(JSON.stringify(make())) as Loose;
      if (meaningless(setting, plan)) continue;
      const unchanged = JSON.stringify(plan);
      change(plan, plan.stages[0], plan.pipeline.stages[0]);
      if (JSON.stringify(plan) === unchanged) continue;
      if ((await textOf(plan)) === before) silent.push(setting);
    }
    expect(silent).toEqual([]);
  });
});
