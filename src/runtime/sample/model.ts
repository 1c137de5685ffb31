/** The executor as a model to ask: forward passes of the same program that trains. */
import { Decoder, makeState, microBatchStep, putBatch } from "../../program/index.js";
import { type Handle, startBackend } from "../backend/index.js";
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
  const asked: { tokens: Int32Array; decoder?: Decoder<Handle> } = { tokens: new Int32Array() };
  const place = (batch: Omit<Batch, "weights">) =>
    putBatch(algebra, { ...batch, weights: new Float32Array(batch.tokens.length).fill(1) });
  return {
    vocab: graph.vocab,
    contextLength,
    next: async (tokens) => {
      // A continuation of the call before: only what is new is computed.
      let known = asked.decoder === undefined ? 0 : asked.tokens.length;
      if (known >= tokens.length || asked.tokens.some((t, i) => t !== tokens[i])) known = 0;
      if (known === 0) {
        asked.decoder?.free();
        asked.decoder = new Decoder(algebra, state, 1);
      }
      asked.tokens = tokens.slice();
      const logits = asked.decoder!.step(tokens.subarray(known));
      const values = algebra.read(logits);
      algebra.free(logits);
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
      asked.decoder?.free();
      for (const tensor of state.weights.values()) algebra.free(tensor);
      for (const { cos, sin } of state.rope.values()) {
        algebra.free(cos);
        algebra.free(sin);
      }
    },
  } satisfies LanguageModel;
};
