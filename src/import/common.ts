/** What several formats say in nearly the same words. */
import { numberText } from "../model/index.js";
import type { Keys } from "./keys.js";
import type { DatasetDraft, Entries } from "./types.js";
import { identifier, percent, quoted } from "./write.js";

export interface Rates {
  readonly kind?: string | undefined;
  readonly lr?: number | undefined;
  readonly weightDecay?: number | undefined;
  readonly beta1?: number | undefined;
  readonly beta2?: number | undefined;
  readonly eps?: number | undefined;
  readonly clip?: number | undefined;
  readonly schedule?: string | undefined;
  readonly warmupSteps?: number | undefined;
  /** Share of the training. */
  readonly warmup?: number | undefined;
  /** Share of the peak. */
  readonly minLr?: number | undefined;
  /** wsd: share of the training. */
  readonly decay?: number | undefined;
}

/** `adamw { lr = 3e-4, schedule = cosine { … } }` */
export function optimizerText(r: Rates): string {
  const inner: string[] = [];
  if (r.warmupSteps !== undefined && r.warmupSteps > 0) inner.push(`warmup = ${Math.round(r.warmupSteps)} steps`);
  else if (r.warmup !== undefined && r.warmup > 0) inner.push(`warmup = ${percent(r.warmup)}`);
  if (r.minLr !== undefined && r.schedule !== "constant") inner.push(`min_lr = ${percent(r.minLr)}`);
  if (r.decay !== undefined && r.schedule === "wsd") inner.push(`decay = ${percent(r.decay)}`);
  const schedule = `${r.schedule ?? "cosine"}${inner.length === 0 ? "" : ` { ${inner.join(", ")} }`}`;
  const kind = r.kind ?? "adamw";
  const known: Readonly<Record<string, readonly string[]>> = {
    adamw: ["lr", "weight_decay", "beta1", "beta2", "eps", "clip"],
    sgd: ["lr", "weight_decay", "beta1", "clip"],
    lion: ["lr", "weight_decay", "beta1", "beta2", "clip"],
    muon: ["lr", "weight_decay", "beta1", "beta2", "eps", "clip"],
    adafactor: ["lr", "weight_decay", "beta2", "eps", "clip"],
  };
  const values: readonly (readonly [string, number | undefined])[] = [
    ["lr", r.lr],
    ["weight_decay", r.weightDecay],
    ["beta1", r.beta1],
    ["beta2", r.beta2],
    ["eps", r.eps],
    ["clip", r.clip],
  ];
  const entries = values.filter(([key, v]) => v !== undefined && known[kind]?.includes(key));
  return `${kind} { ${[...entries.map(([k, v]) => `${k} = ${numberText(v as number)}`), `schedule = ${schedule}`].join(", ")} }`;
}

/** An optimizer's name in PyTorch's, bitsandbytes' and transformers' words. */
export function optimizerKind(name: string | undefined, keys: Keys): string | undefined {
  const n = (name ?? "").toLowerCase();
  if (n === "") return undefined;
  if (/8bit|4bit|paged/.test(n)) keys.lost(`the quantised state of optimizer ${name}`);
  const found = ["adafactor", "lion", "muon", "sgd"].find((kind) => n.includes(kind));
  if (found !== undefined) return found;
  if (/adam/.test(n)) return "adamw";
  keys.lost(`optimizer ${name} (adamw stands in)`);
  return "adamw";
}

/** A schedule's name in transformers', Megatron's and NeMo's words. */
export function scheduleKind(name: string | undefined, keys: Keys): string | undefined {
  const n = (name ?? "").toLowerCase();
  if (n === "") return undefined;
  if (n.includes("wsd") || n.includes("warmup_stable_decay")) return "wsd";
  if (n.includes("cosine")) {
    if (n.includes("restart")) keys.lost(`restarts of schedule ${name}`);
    return "cosine";
  }
  if (n.includes("linear")) return "linear";
  if (n.includes("constant")) return "constant";
  keys.lost(`schedule ${name} (cosine stands in)`);
  return "cosine";
}

/** A path or a hub id as a dataset; what its file is called ends in a format, or `auto` looks. */
export function dataset(
  path: string,
  entries: Entries = [],
  weight?: number,
  taken: readonly string[] = [],
): DatasetDraft {
  const last = path.split(/[/\\]/).filter(Boolean).at(-1) ?? "data";
  const stem = identifier(last.replace(/\.(jsonl?|parquet|txt|gz|zst|bin)(?=\.|$)/g, "").replaceAll("*", ""), "data");
  const reserved =
    /^(model|dataset|mix|train|adapter|cluster|budget|base|blend|machines|low_rank|teacher|from|every|auto)$/;
  let name = reserved.test(stem) ? `${stem}_data` : stem;
  for (let n = 2; taken.includes(name); n++) name = `${stem}_${n}`;
  return { name, entries: [["source", quoted(path)], ...entries], ...(weight === undefined ? {} : { weight }) };
}

/** LoRA's keys as PEFT names them. */
export function lora(
  kind: "lora" | "qlora",
  rank: number | undefined,
  alpha: number | undefined,
  dropout: number | undefined,
  targets: readonly string[],
  keys: Keys,
): Entries {
  const known = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];
  const short = targets.map((t) => t.split(".").at(-1) ?? t);
  const unknown = short.filter((t) => !known.includes(t) && !/^all[-_]linear$/.test(t));
  if (unknown.length > 0) keys.lost(`LoRA on ${unknown.join(", ")}`);
  const kept = short.some((t) => /^all[-_]linear$/.test(t)) ? [] : known.filter((t) => short.includes(t));
  return [
    ["kind", kind],
    ...(rank === undefined ? [] : [["rank", String(rank)] as const]),
    ...(alpha === undefined ? [] : [["alpha", numberText(alpha)] as const]),
    ...(dropout === undefined || dropout === 0 ? [] : [["dropout", percent(dropout)] as const]),
    ["targets", kept.length === 0 || kept.length === known.length ? "all_linear" : `[${kept.join(", ")}]`],
  ];
}
