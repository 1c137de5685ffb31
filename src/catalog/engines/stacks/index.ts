/** Software stacks by name, and which one a published run used. */
import type { StackTraits } from "../../types.js";
import { fmsFsdp, llmFoundry, maxtext, torchtitan, torchtitanEager } from "./fsdp.js";
import { megatron2022, megatronAmpere, megatronCore, nemo } from "./megatron.js";
import { deepspeed, fastLlm, flashAttention, internevo, nanotron, nxd, torchtune, trl } from "./trainers.js";

export const stacks: Readonly<Record<string, StackTraits>> = {
  "megatron-2022": megatron2022,
  "megatron-ampere": megatronAmpere,
  megatron: megatronCore,
  nemo,
  "llm-foundry": llmFoundry,
  "fms-fsdp": fmsFsdp,
  torchtitan,
  "torchtitan-eager": torchtitanEager,
  maxtext,
  trl,
  torchtune,
  internevo,
  nanotron,
  "flash-attention": flashAttention,
  fast_llm: fastLlm,
  nxd,
  deepspeed,
  verl: torchtitanEager,
  smp: llmFoundry,
};

export { type FittedTraits, statedStacks, withFitted } from "./make.js";

/** Other names of engines, and the stack that is nearest to them. */
const aliases: Readonly<Record<string, string>> = {
  "megatron-lm": "megatron",
  "megatron-core": "megatron",
  "megatron-bridge": "nemo",
  "megatron-deepspeed": "megatron-2022",
  "nemo-framework": "nemo",
  composer: "llm-foundry",
  mosaicml: "llm-foundry",
  fsdp: "llm-foundry",
  pytorch: "torchtitan-eager",
  "hf-trainer": "trl",
  transformers: "trl",
  peft: "trl",
  unsloth: "torchtune",
  axolotl: "trl",
  accelerate: "trl",
  litgpt: "llm-foundry",
  "fast-llm": "fast_llm",
  neuronx: "nxd",
  neuron: "nxd",
  optimum_neuron: "nxd",
  colossalai: "internevo",
  xtuner: "trl",
  levanter: "maxtext",
  paxml: "maxtext",
  t5x: "maxtext",
  easylm: "maxtext",
  axlearn: "maxtext",
  alpa: "maxtext",
  jax: "maxtext",
  picotron: "nanotron",
  "gpt-neox": "megatron-2022",
  modalities: "fms-fsdp",
  olmo: "fms-fsdp",
  lightning: "llm-foundry",
  "llama-recipes": "llm-foundry",
  "llama-factory": "trl",
  "ms-swift": "trl",
  swift: "trl",
  mindspeed: "megatron",
  primus: "megatron",
  aleph: "megatron-ampere",
  nanogpt: "torchtitan",
  sagemaker: "smp",
};

export interface StackHints {
  readonly compiled?: boolean;
  readonly flash?: boolean;
  /** Newer accelerators are never driven by a stack of 2022. */
  readonly generation: string;
  readonly sharded: boolean;
}

/** The stack of a run; `known` is false where the engine's name says nothing. */
export function stackOf(
  engine: string,
  hints: StackHints,
): { readonly name: string; readonly traits: StackTraits; readonly known: boolean } {
  const lower = engine.toLowerCase().replaceAll(" ", "-");
  let name = stacks[lower] === undefined ? aliases[lower] : lower;
  // The longest known name inside: `megatron-deepspeed 0.9` is not plain Megatron.
  name ??= [...Object.keys(stacks), ...Object.keys(aliases)]
    .filter((s) => lower.includes(s))
    .sort((a, b) => b.length - a.length)[0];
  if (name !== undefined) name = aliases[name] ?? name;
  const known = name !== undefined;
  name ??= hints.sharded ? "llm-foundry" : "megatron";
  if (name === "megatron-2022" && hints.flash !== false && hints.generation !== "ampere") name = "megatron";
  if (known && name === "megatron" && hints.generation === "ampere" && hints.flash !== true) name = "megatron-ampere";
  if (name === "torchtitan" && hints.compiled === false) name = "torchtitan-eager";
  if (name === "torchtitan-eager" && hints.compiled === true) name = "torchtitan";
  let traits = stacks[name]!;
  // Nobody names an engine of today that has no flash attention.
  if (!known && traits.attention === "cudnn" && hints.generation === "ampere")
    traits = { ...traits, attention: "flash2" };
  if (hints.flash === false && traits.attention !== "unfused") traits = { ...traits, attention: "unfused" };
  if (hints.flash === true && traits.attention === "unfused") traits = { ...traits, attention: "flash2" };
  return { name, traits, known };
}
