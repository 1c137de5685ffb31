/** What a stage asks of its engine beyond axes, shards and precisions; an engine's descriptor says which of it it `lacks`. */
import type { ModelSpec, Pipeline, Precision, Stage } from "../../checker/pipeline.js";

function ofModel(model: ModelSpec): string[] {
  const has: readonly (readonly [name: string, there: boolean])[] = [
    ["tied_embeddings", model.tiedEmbeddings.value],
    ["biases", model.attentionBias.value !== "none" || model.mlpBias.value],
    ["sliding_window", model.slidingWindow !== undefined],
    ["alternating_windows", model.slidingWindow !== undefined && model.slidingPattern.value > 1],
    ["shared_experts", (model.moe?.sharedExperts.value ?? 0) > 0],
    ["dropout", model.dropout.value > 0],
    ["odd_head_dim", model.mla === undefined && model.headDim.value * model.heads.value !== model.hidden.value],
    [`rope_scaling.${model.ropeScaling?.value.kind}`, model.ropeScaling !== undefined],
  ];
  return has.filter(([, there]) => there).map(([name]) => name);
}

const low = ["bf16", "fp16", "fp8", "mxfp8"];

/** What is kept otherwise than in the usual recipe: fp32 master weights, gradients, optimizer state and reduction. */
function ofPrecision(precision: Precision): string[] {
  const { compute, weights, masterWeights, gradients, optimizerState, reduce } = precision;
  const kept = masterWeights.value === "none" ? weights.value : masterWeights.value;
  const has: readonly (readonly [name: string, there: boolean])[] = [
    [`kept.${kept}`, kept !== "fp32"],
    ["uncast_weights", low.includes(compute.value) && weights.value === "fp32"],
    [`gradients.${gradients.value}`, gradients.value !== "fp32"],
    ["gradients_unlike_weights", gradients.value !== kept],
    [`optimizer_state.${optimizerState.value}`, optimizerState.value !== "fp32"],
    ["state_unlike_weights", optimizerState.value !== kept],
    [`reduce.${reduce.value}`, reduce.value !== "fp32"],
    [`recipe.${precision.recipe.value}`, compute.value === "fp8"],
    ["loss_scale", low.includes(compute.value) && compute.value !== "fp16" && precision.lossScale.value !== "none"],
    ["loss_scale.fixed", compute.value === "fp16" && typeof precision.lossScale.value === "number"],
  ];
  return has.filter(([, there]) => there).map(([name]) => name);
}

/** Names such as `schedule.wsd`, `freeze`, `reward.length`; those of the model also as `llama.tied_embeddings`. */
export function stageFeatures(pipeline: Pipeline, stage: Stage, model: ModelSpec, precision: Precision): string[] {
  const { reward, updates } = stage.objective.options;
  const rewards = reward === undefined ? [] : [reward.value].flat().filter((r) => typeof r === "string");
  const features = ofModel(model);
  return [
    `schedule.${stage.optimizer.value.schedule.kind}`,
    ...ofPrecision(precision),
    ...(stage.freeze.value.length > 0 ? ["freeze"] : []),
    ...(stage.objective.kind === "pretrain" && !stage.packing.value ? ["unpacked"] : []),
    ...(stage.evaluate === undefined ? [] : ["evaluate"]),
    ...(typeof updates?.value === "number" && updates.value > 1 ? ["several_updates"] : []),
    ...rewards.map((name) => `reward.${pipeline.rewards[name]?.kind.value}`),
    ...features,
    ...features.map((name) => `${model.architecture.value}.${name}`),
  ];
}
