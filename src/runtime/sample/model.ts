/** The executor as a model to ask: forward passes of the same program that trains. */
import { lastLogits, makeState, microBatchStep, putBatch } from "../../program/index.js";
import { startBackend } from "../backend/index.js";
import type { Batch, LanguageModel, NamedTensor, OpenLanguageModel } from "../interfaces.js";

export const openLanguageModel: OpenLanguageModel = async ({ graph, spec, weights, backend }) => {
  const { algebra } = await startBackend(backend);
  const contextLength = spec.contextLength.value;
  const loaded = new Map<string, NamedTensor>();
  for (const name of weights.names()) {
    const tensor = await weights.read(name);
    if (tensor !== undefined) loaded.set(name, tensor);
  }
  await weights.close();
  const state = makeState(
    algebra,
    graph,
    contextLength,
    ({ name }) => {
      const values = loaded.get(name)?.values;
      // Names were matched when the weights were opened.
      if (values === undefined) throw new Error(`no values for ${name}`);
      loaded.delete(name);
      return values;
    },
    false,
  );
  const place = (batch: Omit<Batch, "weights">) =>
    putBatch(algebra, { ...batch, weights: new Float32Array(batch.tokens.length).fill(1) });
  return {
    vocab: graph.vocab,
    contextLength,
    next: async (tokens) => {
      const batch = place({ tokens, targets: new Int32Array(tokens.length), sequences: 1, length: tokens.length });
      const logits = lastLogits(algebra, state, batch);
      const values = algebra.read(logits);
      algebra.free(logits);
      batch.free();
      return values;
    },
    logProbs: async (given) => {
      const batch = place(given);
      const losses = microBatchStep(algebra, state, batch, [], undefined);
      const values = algebra.read(losses).map((loss) => -loss);
      algebra.free(losses);
      batch.free();
      return values;
    },
    close: async () => {
      for (const tensor of state.weights.values()) algebra.free(tensor);
      for (const { cos, sin } of state.rope.values()) {
        algebra.free(cos);
        algebra.free(sin);
      }
    },
  } satisfies LanguageModel;
};
