/** A model with weights, ready to be asked for logits: for sampling and evaluation. */
import type { Tensor } from "@tensorflow/tfjs-core";
import { lastLogits, makeState, microBatchStep, putBatch, storedWeights } from "../../program/index.js";
import { startBackend } from "../backend/index.js";
import type { OpenLanguageModel } from "../interfaces.js";

export const openLanguageModel: OpenLanguageModel = async ({ graph, spec, weights, backend: name }) => {
  const { algebra } = await startBackend(name);
  const values = new Map<string, Float32Array>();
  for (const { name: weight } of storedWeights(graph)) {
    const tensor = await weights.read(weight);
    if (tensor !== undefined) values.set(weight, tensor.values);
  }
  await weights.close();
  const contextLength = spec.contextLength.value;
  const state = makeState<Tensor>(algebra, graph, contextLength, (w) => values.get(w.name)!, false);
  return {
    vocab: graph.vocab,
    contextLength,
    async next(tokens) {
      const weights = new Float32Array(tokens.length);
      const batch = putBatch(algebra, { sequences: 1, length: tokens.length, tokens, targets: tokens, weights });
      const logits = lastLogits(algebra, state, batch);
      const result = algebra.read(logits);
      algebra.free(logits);
      batch.free();
      return result;
    },
    async logProbs(given) {
      const batch = putBatch(algebra, { ...given, weights: new Float32Array(given.tokens.length).fill(1) });
      const losses = microBatchStep(algebra, state, batch, [], undefined);
      const result = algebra.read(losses).map((l) => -l);
      algebra.free(losses);
      batch.free();
      return result;
    },
    async close() {
      for (const t of state.weights.values()) algebra.free(t);
      for (const { cos, sin } of state.rope.values()) {
        algebra.free(cos);
        algebra.free(sin);
      }
    },
  };
};
