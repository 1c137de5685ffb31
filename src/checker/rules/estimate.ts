/** Rough counts that rules may use: the exact ones are the model graph's, a later stage. */
import type { ModelSpec } from "../pipeline.js";

/** Parameters to about a percent. */
export function roughParameters(model: ModelSpec): number {
  const h = model.hidden.value;
  const mlpMatrices = model.gatedMlp.value ? 3 : 2;
  const heads = model.heads.value;
  const attention = model.mla
    ? h * (model.mla.qRank.value || heads * model.headDim.value) +
      (model.mla.qRank.value > 0 ? model.mla.qRank.value * heads * model.headDim.value : 0) +
      h * (model.mla.kvRank.value + model.mla.ropeHeadDim.value) +
      model.mla.kvRank.value * heads * (model.mla.nopeHeadDim.value + model.mla.valueHeadDim.value) +
      heads * model.mla.valueHeadDim.value * h
    : h * model.headDim.value * (2 * heads + 2 * model.kvHeads.value);
  const dense = mlpMatrices * h * model.ffn.value;
  const { moe } = model;
  const expert = moe === undefined ? 0 : mlpMatrices * h * (moe.experts.value * moe.moeFfn.value + moe.sharedFfn.value);
  const denseLayers = moe === undefined ? model.layers.value : moe.denseLayers.value;
  const embeddings = model.vocab.value * h * (model.tiedEmbeddings.value ? 1 : 2);
  return (
    model.layers.value * attention + denseLayers * dense + (model.layers.value - denseLayers) * expert + embeddings
  );
}

/** Parameters that one token uses. */
export function roughActive(model: ModelSpec): number {
  const { moe } = model;
  if (moe === undefined) return roughParameters(model);
  return roughParameters({ ...model, moe: { ...moe, experts: moe.expertsPerToken } });
}
