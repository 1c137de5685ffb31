import type { ModelSpec } from "../../src/checker/pipeline.js";

/**
 * Parameters of a shape, written down a second time and without the model graph: embedding, per layer attention, MLP or
 * experts, norms, and the head. Biases that are no gradient's business (DeepSeek V3's router bias) count as stored weights.
 */
export function countParameters(m: ModelSpec): number {
  const h = m.hidden.value;
  const [heads, kv, dim] = [m.heads.value, m.kvHeads.value, m.headDim.value];
  const normSize = (features: number) => features * (m.normBias.value ? 2 : 1);

  const plain = (): number => {
    const [q, k] = [heads * dim, kv * dim];
    let n = h * (q + 2 * k) + q * h;
    if (m.attentionBias.value !== "none") n += q + 2 * k;
    if (m.attentionBias.value === "all") n += h;
    if (m.qkNorm.value === "head") n += 2 * dim;
    if (m.qkNorm.value === "full") n += q + k;
    return n;
  };
  const mla = (): number => {
    const { qRank, kvRank, ropeHeadDim, nopeHeadDim, valueHeadDim } = m.mla!;
    const [rq, rkv, rope, nope, value] = [qRank, kvRank, ropeHeadDim, nopeHeadDim, valueHeadDim].map((k) => k.value);
    const q = heads * (rope! + nope!);
    let n = rq! > 0 ? h * rq! + rq! + rq! * q : h * q;
    n += h * (rkv! + rope!) + rkv! + rkv! * heads * (nope! + value!);
    return n + heads * value! * h;
  };
  const mlp = (features: number): number => {
    const matrices = m.gatedMlp.value ? 3 : 2;
    return matrices * h * features + (m.mlpBias.value ? features * (matrices - 1) + h : 0);
  };
  const experts = (): number => {
    const { moe } = m;
    let n = h * moe!.experts.value + moe!.experts.value * mlp(moe!.moeFfn.value);
    if (moe!.sharedFfn.value > 0) n += mlp(moe!.sharedFfn.value);
    if (moe!.balancing.value === "bias") n += moe!.experts.value;
    return n;
  };

  const normsPerLayer = m.parallelBlock.value ? 1 : m.normPlacement.value === "sandwich" ? 4 : 2;
  const attention = m.mla === undefined ? plain() : mla();
  let total = m.vocab.value * h + normSize(h);
  if (m.position.value === "learned") total += m.contextLength.value * h;
  if (!m.tiedEmbeddings.value) total += m.vocab.value * h;
  if (m.headBias.value) total += m.vocab.value;
  for (let layer = 0; layer < m.layers.value; layer++) {
    const routed = m.moe !== undefined && layer >= m.moe.denseLayers.value && layer % m.moe.moeEvery.value === 0;
    total += normsPerLayer * normSize(h) + attention + (routed ? experts() : mlp(m.ffn.value));
  }
  return total;
}
