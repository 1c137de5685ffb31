import {
  engines,
  every,
  field,
  flag,
  list,
  objectives,
  oneOf,
  optimizers,
  positive,
  record,
  ref,
  text,
  variant,
  whole,
  words,
} from "../../catalog/index.js";
import type { BlockSpec } from "../types.js";

const degree = (name: string, doc: string, example: string, initial = "auto") =>
  field(name, whole(), doc, example, { decidable: true, default: initial });

export const parallelFields = [
  degree("data", "copies of the model, each with its own share of the batch", "8"),
  field(
    "shard",
    words({
      none: "every rank has all",
      zero1: "optimizer state split over data-parallel ranks",
      zero2: "gradients too",
      zero3: "weights too (FSDP)",
      hsdp: "weights split within groups, copied between them",
    }),
    "what data-parallel ranks split among them (ZeRO, FSDP)",
    "zero3",
    { decidable: true, default: "auto" },
  ),
  degree("shard_group", "devices that share one full copy of the weights; only for hsdp", "8"),
  degree("tensor", "ranks that split every matrix", "8"),
  field("sequence", flag, "split norms and residuals along the sequence too, on the tensor ranks", "true", {
    decidable: true,
    default: "auto",
  }),
  degree("pipeline", "ranks that split the layers", "1..4"),
  degree("virtual", "chunks of layers per pipeline rank", "2"),
  field(
    "schedule",
    words({
      gpipe: "all forwards, then all backwards",
      "1f1b": "one forward, one backward",
      interleaved: "1F1B over virtual chunks",
      zero_bubble: "weight gradients fill the bubble",
      dualpipe: "both directions at once (DeepSeek V3)",
    }),
    "order of micro-batches in the pipeline",
    "1f1b",
    { decidable: true, default: "auto" },
  ),
  degree("context", "ranks that split the sequence in attention (ring)", "2"),
  degree("expert", "ranks that split the experts", "8"),
  degree("micro_batch", "sequences of a micro-batch on one data-parallel rank", "1 | 2 | 4"),
];

const interval = every("seconds", "steps", "tokens");

export const train: BlockSpec = {
  keyword: "train",
  doc: "A stage of training. `train b from a` starts with the weights that stage `a` ends with.",
  since: "0.1",
  named: true,
  startsFrom: true,
  fields: [
    field("objective", variant(objectives), "what is learnt", "pretrain", { required: true }),
    field("model", ref("model"), "what is trained; after `from`, unless given, that stage's model", "student"),
    field("adapter", ref("adapter"), "train low-rank matrices only", "small"),
    field("data", ref("dataset", "mix"), "a dataset or a mix", "medical", { required: true }),
    field("tokenizer", ref("tokenizer"), "unless given, the only one of the file", "llama"),
    field("tokens", positive("tokens"), "length of the stage in tokens", "100B"),
    field("steps", positive("steps"), "length of the stage in optimizer steps", "2000"),
    field("epochs", positive("epochs"), "length of the stage in passes over the data", "3"),
    field("batch", positive("tokens", "sequences"), "of one optimizer step, over all devices", "4M tokens", {
      required: true,
    }),
    field(
      "context_length",
      { kind: "quantity", dimensions: ["count", "tokens"], integer: true, min: 1 },
      "tokens of a sequence; unless given, the model's",
      "8Ki",
      { decidable: true },
    ),
    field("precision", ref("precision"), "unless given, bf16 (fp32 on this machine)", "fp8", { decidable: true }),
    field("parallel", record(parallelFields), "how the work is split over devices", "{ tensor = 8, pipeline = 1..4 }", {
      decidable: true,
      default: "auto",
    }),
    field(
      "recompute",
      oneOf(
        words({
          none: "keep all activations",
          full: "keep only each layer's input",
          selective: "recompute attention's inside only",
        }),
        every("layers"),
        record([field("ops", list(text), "names of ops to recompute", '["mlp.act"]', { required: true })]),
      ),
      "activations that are recomputed in the backward pass",
      "every 2 layers",
      { decidable: true, default: "auto" },
    ),
    field(
      "offload",
      words({ none: "nothing", activations: "saved activations", optimizer: "optimizer state", both: "both" }),
      "what waits in host memory",
      "none",
      { decidable: true, default: "none" },
    ),
    field("optimizer", variant(optimizers), "how weights are updated", "adamw { lr = 3e-4 }", { default: "adamw" }),
    field(
      "engine",
      words(Object.fromEntries(engines.map((e) => [e.name, e.doc]))),
      "the software that trains",
      "torchtitan",
      { decidable: true, default: "auto" },
    ),
    field("on", ref("cluster"), "unless given, the only cluster of the file, else this machine", "p5"),
    field("save", interval, "when checkpoints are written", "every 30min"),
    field("evaluate", interval, "when the held-out share is measured", "every 500 steps"),
    field("freeze", list(text), "patterns of names of weights that are not trained", '["model.embed_tokens.*"]', {
      default: "[]",
    }),
    field("seed", whole(0), "of initial weights, shuffling and dropout", "1337", { default: "1337" }),
    field("packing", flag, "several documents in one sequence, not attending to each other", "true", {
      default: "true",
    }),
  ],
  example:
    "train base {\n  objective = pretrain\n  model     = student\n  data      = medical\n  tokens    = 100B\n  batch     = 4M tokens\n  on        = p5\n}",
};
