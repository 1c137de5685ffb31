/** What each architecture implies for keys that a model leaves out. Sources: the families' Hugging Face configurations. */
import type { ModelSpec, MoeSpec } from "../pipeline.js";

type Defaults = {
  readonly [K in
    | "activation"
    | "gatedMlp"
    | "norm"
    | "normEps"
    | "normPlacement"
    | "qkNorm"
    | "position"
    | "ropeTheta"
    | "ropeFraction"
    | "tiedEmbeddings"
    | "attentionBias"
    | "mlpBias"
    | "headBias"
    | "normBias"
    | "parallelBlock"
    | "slidingPattern"
    | "scaleEmbeddings"
    | "dropout"]: ModelSpec[K]["value"];
};

type MoeDefaults = {
  readonly [K in
    | "sharedExperts"
    | "denseLayers"
    | "moeEvery"
    | "auxLoss"
    | "balancing"
    | "routerScore"
    | "normTopk"
    | "routedScale"
    | "groups"
    | "groupsPerToken"
    | "sharedGate"
    | "imbalance"]: MoeSpec[K]["value"];
};

const llama: Defaults = {
  activation: "silu",
  gatedMlp: true,
  norm: "rmsnorm",
  normEps: 1e-5,
  normPlacement: "pre",
  qkNorm: "none",
  position: "rope",
  ropeTheta: 10_000,
  ropeFraction: 1,
  tiedEmbeddings: false,
  attentionBias: "none",
  mlpBias: false,
  headBias: false,
  normBias: false,
  parallelBlock: false,
  slidingPattern: 1,
  scaleEmbeddings: false,
  dropout: 0,
};

const gpt2: Defaults = {
  ...llama,
  activation: "gelu_tanh",
  gatedMlp: false,
  norm: "layernorm",
  normBias: true,
  position: "learned",
  tiedEmbeddings: true,
  attentionBias: "all",
  mlpBias: true,
};

const gemma: Defaults = {
  ...llama,
  activation: "gelu_tanh",
  normEps: 1e-6,
  normPlacement: "sandwich",
  tiedEmbeddings: true,
  scaleEmbeddings: true,
};

const qwen3: Defaults = { ...llama, normEps: 1e-6, ropeTheta: 1_000_000, qkNorm: "head" };
const deepseek: Defaults = { ...llama, normEps: 1e-6 };

export const familyDefaults: Readonly<Record<string, Defaults>> = {
  gpt2,
  llama,
  mistral: llama,
  mixtral: { ...llama, ropeTheta: 1_000_000 },
  qwen2: { ...llama, normEps: 1e-6, ropeTheta: 1_000_000, attentionBias: "qkv" },
  qwen3,
  qwen3_moe: qwen3,
  gemma2: { ...gemma, slidingPattern: 2 },
  gemma3: { ...gemma, qkNorm: "head", ropeTheta: 1_000_000, slidingPattern: 6 },
  phi: {
    ...gpt2,
    position: "rope",
    ropeFraction: 0.5,
    tiedEmbeddings: false,
    headBias: true,
    parallelBlock: true,
  },
  phi3: llama,
  olmo2: { ...llama, normEps: 1e-6, ropeTheta: 500_000, normPlacement: "post", qkNorm: "full" },
  deepseek_v2: deepseek,
  deepseek_v3: deepseek,
};

const moe: MoeDefaults = {
  sharedExperts: 0,
  denseLayers: 0,
  moeEvery: 1,
  auxLoss: 0.001,
  balancing: "aux_loss",
  routerScore: "softmax",
  normTopk: true,
  routedScale: 1,
  groups: 1,
  groupsPerToken: 1,
  sharedGate: false,
  imbalance: 1.1,
};

export const moeDefaults: Readonly<Record<string, MoeDefaults>> = {
  mixtral: { ...moe, auxLoss: 0.02 },
  deepseek_v2: { ...moe, normTopk: false },
  deepseek_v3: { ...moe, balancing: "bias", routerScore: "sigmoid", auxLoss: 0.0001 },
};

export const moeFallback = moe;
