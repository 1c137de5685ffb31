/** Balance of experts: what a training step adds to the loss, shows, and moves. */
import type { Algebra } from "./algebra.js";
import { layerNumbers, type ModelState, weightKey } from "./model.js";

/** Step of the correction bias (DeepSeek-V3, section 4.2). */
const biasStep = 0.001;

/**
 * Runs a micro-batch with the auxiliary losses in its gradient: their mean over the layers, by each layer's own weight,
 * counts as the mean loss of the micro-batch's tokens does.
 * @param share scale of the loss · tokens that count
 */
export function balanced<T, R>(state: ModelState<T>, share: number, run: () => R): R {
  const { routing } = state;
  if (routing === undefined) return run();
  const layers = state.graph.stack.filter((id) => state.graph.kinds[id]!.ops.some((op) => op.kind === "router")).length;
  routing.auxScale = share / layers;
  const result = run();
  routing.auxScale = 0;
  return result;
}

/** Means over the layers of the last micro-batch: load of the fullest expert over the mean, and the auxiliary loss. */
export function balanceOf<T>({ routing }: ModelState<T>): Readonly<Record<string, number>> {
  if (routing === undefined) return {};
  const seen = [...routing.layers.values()].filter((l) => l.imbalance !== undefined);
  const mean = (of: (l: (typeof seen)[number]) => number): number =>
    seen.reduce((sum, l) => sum + of(l), 0) / Math.max(1, seen.length);
  return { expert_load: mean((l) => l.imbalance ?? 1), aux_loss: mean((l) => l.auxLoss ?? 0) };
}

/** Experts with less than the mean load become likelier to be chosen, those with more less so (Wang et al. 2024). */
export function moveBiases<T>(algebra: Algebra<T>, state: ModelState<T>): void {
  const numbers = layerNumbers(state.graph);
  for (const [i, layer] of state.routing?.layers ?? []) {
    const kind = state.graph.kinds[state.graph.stack[i]!]!;
    const name = Object.keys(kind.weights).find((w) => w.endsWith("e_score_correction_bias"));
    const { load } = layer;
    if (name === undefined || load === undefined) continue;
    const mean = load.reduce((a, b) => a + b, 0) / load.length;
    const bias = state.weights.get(weightKey(kind, name, numbers[i]!))!;
    algebra.loop(
      [bias],
      [],
      { elements: load.length },
      ([b]) => {
        for (let e = 0; e < load.length; e++) b![e] = b![e]! + biasStep * Math.sign(mean - load[e]!);
      },
      [0],
    );
    delete layer.load;
  }
}
