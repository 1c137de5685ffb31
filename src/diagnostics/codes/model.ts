/** 3xxx models and training. Codes are never reused. */
import { define } from "../define.js";

const since = "0.1";
const error = "error";
const warning = "warning";

export const model = define({
  LLMP3001: {
    severity: error,
    title: "Weights do not add up to 100%",
    message: "the weights add up to {sum}, not to 100%",
    since,
  },
  LLMP3002: {
    severity: error,
    title: "Phases out of order",
    message: "a phase must start between 0% and 100%, after the one before it",
    since,
  },
  LLMP3003: { severity: error, title: "Empty mix", message: "mix `{name}` names no dataset", since },
  LLMP3004: {
    severity: error,
    title: "Heads cannot be split",
    message: "attention heads cannot be split {tensor} ways",
    since,
  },
  LLMP3005: {
    severity: error,
    title: "More pipeline chunks than layers",
    message: "{layers} layers cannot fill {chunks} pipeline chunks",
    since,
  },
  LLMP3006: {
    severity: error,
    title: "Batch cannot be divided",
    message: "a batch of {batch} sequences cannot be divided by {divisor}",
    since,
  },
  LLMP3007: {
    severity: error,
    title: "fp16 without loss scaling",
    message: "fp16 compute without loss scaling loses small gradients",
    since,
  },
  LLMP3008: {
    severity: error,
    title: "Precision that the chip lacks",
    message: "{chip} cannot compute in {dtype}",
    since,
  },
  LLMP3009: {
    severity: error,
    title: "Sequence longer than the context",
    message: "sequences of {length} tokens exceed the context of {limit}",
    since,
  },
  LLMP3010: { severity: warning, title: "Dataset repeated", message: "`{dataset}` is repeated {times} times", since },
  LLMP3011: {
    severity: warning,
    title: "Far from compute-optimal",
    message: "{tokens} tokens for {parameters} parameters: {ratio} tokens each",
    since,
  },
  LLMP3012: {
    severity: warning,
    title: "Spot without checkpoints",
    message: "spot machines may be taken away, and `{stage}` saves nothing",
    since,
  },
  LLMP3013: {
    severity: warning,
    title: "Saves rarer than failures",
    message: "a save every {save}, a failure about every {failure}",
    since,
  },
  LLMP3014: {
    severity: error,
    title: "Data that the objective cannot use",
    message: "{objective} needs {needed}, which `{dataset}` does not have",
    since,
  },
  LLMP3015: {
    severity: error,
    title: "Adapter on a projection that the model lacks",
    message: "{architecture} models have no `{target}`",
    since,
  },
  LLMP3016: {
    severity: error,
    title: "Virtual stages without a pipeline",
    message: "`virtual = {virtual}` needs a pipeline of more than one rank",
    since,
  },
  LLMP3017: {
    severity: error,
    title: "Interleaved schedule without a pipeline",
    message: "the {schedule} schedule needs {needed}",
    since,
  },
  LLMP3018: {
    severity: error,
    title: "Sequence parallel without tensor parallel",
    message: "`sequence = true` needs `tensor` above 1",
    since,
  },
  LLMP3019: {
    severity: error,
    title: "Expert parallel without experts",
    message: "`expert = {expert}` needs a Mixture-of-Experts model",
    since,
  },
  LLMP3020: {
    severity: error,
    title: "Degrees that do not fill the devices",
    message: "{product} ranks cannot fill {devices} devices",
    since,
  },
  LLMP3021: { severity: error, title: "Hybrid shard and its group", message: "{what}", since },
  LLMP3022: { severity: error, title: "QLoRA with this precision", message: "QLoRA cannot compute in {dtype}", since },
  LLMP3023: { severity: error, title: "No such files", message: "`{source}` matches no file", since },
  LLMP3024: { severity: error, title: "Length of the stage", message: "stage `{stage}` {what}", since },
  LLMP3025: {
    severity: error,
    title: "Heads do not fit",
    message: "{heads} query heads cannot share {kv} key/value heads",
    since,
  },
  LLMP3026: { severity: error, title: "Experts do not fit", message: "{what}", since },
  LLMP3027: {
    severity: error,
    title: "MLA incomplete",
    message: "multi-head latent attention needs `{key}` too",
    since,
  },
  LLMP3028: {
    severity: error,
    title: "Teacher with another vocabulary",
    message: "the teacher has {teacher} tokens, the student {student}",
    since,
  },
  LLMP3029: {
    severity: error,
    title: "Weights of another shape",
    message: "`{stage}` trains a model whose {key} differs from that of `{parent}`",
    since,
  },
  LLMP3030: {
    severity: error,
    title: "Vocabulary smaller than the tokenizer's",
    message: "a byte tokenizer needs a vocabulary of at least {needed}, not {vocab}",
    since,
  },
  LLMP3031: {
    severity: error,
    title: "Experts cannot be split",
    message: "{experts} experts cannot be split {expert} ways",
    since,
  },
  LLMP3032: {
    severity: warning,
    title: "Warm-up longer than the training",
    message: "a warm-up of {warmup} in a training of {length}",
    since,
  },
  LLMP3033: {
    severity: error,
    title: "Sequence cannot be split",
    message: "{length} tokens cannot be split over {context} context ranks",
    since,
  },
  LLMP3034: { severity: error, title: "Cluster incomplete", message: "a {provider} cluster needs `{key}`", since },
  LLMP3035: { severity: error, title: "Reward incomplete", message: "a {kind} reward needs `{key}`", since },
  LLMP3036: { severity: error, title: "Tokenizer incomplete", message: "a bpe tokenizer needs `file`", since },
  LLMP3037: { severity: error, title: "Stage without a model", message: "stage `{stage}` needs `model`", since },
  LLMP3038: {
    severity: warning,
    title: "Uneven pipeline",
    message: "{layers} layers do not divide evenly over {chunks} pipeline chunks",
    since,
  },
  LLMP3039: {
    severity: error,
    title: "Odd head dimension",
    message: "RoPE rotates pairs: {dim} rotated features per head are odd",
    since,
  },
  LLMP3040: { severity: warning, title: "Key without effect", message: "`{key}` has no effect: {reason}", since },
});
