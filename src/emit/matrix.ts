/** docs/ENGINES.md, from the same descriptors that the planner asks. */
import { engineProfiles } from "../catalog/index.js";

const mark = (yes: boolean): string => (yes ? "yes" : "–");

type Profile = (typeof engineProfiles)[number];

/** Rows of the matrix: what is asked, and how a profile answers. */
const rows: readonly (readonly [label: string, key: string, answer: (p: Profile) => string])[] = [
  ["runs on", "providers", (p) => (p.can.providers ?? ["all"]).join(", ")],
  ["accelerators", "vendors", (p) => p.can.vendors.join(", ")],
  ["pre-training", "pretrain", (p) => mark(p.can.objectives.includes("pretrain"))],
  ["SFT", "sft", (p) => mark(p.can.objectives.includes("sft"))],
  ["DPO", "dpo", (p) => mark(p.can.objectives.includes("dpo"))],
  ["GRPO", "grpo", (p) => mark(p.can.objectives.includes("grpo"))],
  ["distillation", "distill", (p) => mark(p.can.objectives.includes("distill"))],
  ["LoRA", "lora", (p) => mark(p.can.adapters.includes("lora"))],
  ["QLoRA", "qlora", (p) => mark(p.can.adapters.includes("qlora"))],
  ["precisions", "precisions", (p) => p.can.precisions.join(", ")],
  ["optimizers", "optimizers", (p) => p.can.optimizers.join(", ")],
  ["architectures", "architectures", (p) => (p.can.architectures === "all" ? "all" : p.can.architectures.join(", "))],
  ["sharding", "shards", (p) => p.can.shards.join(", ")],
  ["tensor", "tensor", (p) => mark(p.can.tensor)],
  ["sequence", "sequence", (p) => mark(p.can.sequence)],
  ["pipeline", "pipeline", (p) => (p.can.pipeline ? p.can.schedules.join(", ") : "–")],
  ["uneven pipeline split", "unevenPipeline", (p) => mark(p.can.unevenPipeline)],
  ["context", "context", (p) => mark(p.can.context)],
  ["expert", "expert", (p) => mark(p.can.expert)],
  ["recomputation", "recompute", (p) => p.can.recompute.join(", ")],
  ["offload", "offload", (p) => (p.can.offload.length === 0 ? "–" : p.can.offload.join(", "))],
  ["a mix that changes", "mixSchedule", (p) => p.can.mixSchedule],
];

const table = (head: readonly string[], body: readonly (readonly string[])[]): string[] => [
  `| ${head.join(" | ")} |`,
  `|${head.map(() => "---").join("|")}|`,
  ...body.map((cells) => `| ${cells.map((c) => c.replace(/\|/g, "\\|")).join(" | ")} |`),
];

export function renderEngines(): string {
  const lines = [
    "# Engines",
    "",
    "<!-- Generated from src/catalog/engines/capabilities by `UPDATE_DOCS=1 npx vitest run test/emit/engines-doc`; edit there. -->",
    "",
    "What each engine can run. The planner asks this table before it chooses, and `llmp emit` refuses what the engine of the plan",
    "cannot express (LLMP5001); nothing is dropped silently.",
    "",
    "Why these: Megatron-Core has every axis and the FP8 recipes; torchtitan is the PyTorch-native one with FSDP2; TRL covers",
    "fine-tuning, preferences, reinforcement learning and distillation, and trains unpatched on a CPU, so the tests run it; Fast-LLM",
    "has ZeRO, tensor and pipeline parallelism on a CPU too; NxD Training is the only way on Trainium. `smp` and `verl` are written",
    "for those who have them, chosen only by name or where nothing else can.",
    "",
    ...table(
      ["", ...engineProfiles.map((p) => `\`${p.name}\` ${p.versions}`)],
      rows.map(([label, , answer]) => [label, ...engineProfiles.map(answer)]),
    ),
    "",
  ];
  for (const profile of engineProfiles) {
    lines.push(
      `## ${profile.name}`,
      "",
      `${profile.doc[0]?.toUpperCase()}${profile.doc.slice(1)}. Versions ${profile.versions}.`,
      "",
    );
    const keys = Object.entries(profile.keys);
    if (keys.length > 0) lines.push(...table(["capability", "the engine's own key"], keys), "");
    const because = Object.entries(profile.can.because);
    if (because.length > 0) lines.push(...table(["not", "because"], because), "");
  }
  return `${lines.join("\n").trimEnd()}\n`;
}
