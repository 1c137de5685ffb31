/** Balance of experts: what a training step adds to the loss, shows, and moves. */
import type { ModelGraph } from "../model/graph.js";
import type { Algebra } from "./algebra.js";
import { layerNumbers, weightKey } from "./model.js";
import type { LayerRouting } from "./ops/route.js";

/** Step of the correction bias (DeepSeek-V3, section 4.2). */
const biasStep = 0.001;

export const routingLayers = (graph: ModelGraph): number =>
  graph.stack.filter((id) => graph.kinds[id]!.ops.some((op) => op.kind === "router")).length;

/**
 * Factor of each layer's auxiliary loss in the gradient: their mean over the layers, by each layer's own weight, counts as
 * the mean loss of the micro-batch's tokens does.
 * @param share scale of the loss · tokens that count
 */
export const auxScaleOf = (graph: ModelGraph, share: number): number => share / routingLayers(graph);

/**
 * Means over the layers of the last micro-batch: load of the fullest expert over the mean, and the auxiliary loss.
 * @param all number of layers, where these are some of them
 */
export function balanceOf(layers: Iterable<LayerRouting>, all?: number): Readonly<Record<string, number>> {
  const seen = [...layers].filter((l) => l.imbalance !== undefined);
  const mean = (of: (l: LayerRouting) => number): number =>
    seen.reduce((sum, l) => sum + of(l), 0) / Math.max(1, all ?? seen.length);
  return { expert_load: mean((l) => l.imbalance ?? 1), aux_loss: mean((l) => l.auxLoss ?? 0) };
}

/**
 * Experts with less than the mean load become likelier to be chosen, those with more less so (Wang et al. 2024).
 * @param loads by stack index: choices that fell on each expert in the step
 * @param weight a weight's tensor, and the expert of its first element
 */
export function moveBiases<T>(
  algebra: Algebra<T>,
  graph: ModelGraph,
  loads: ReadonlyMap<number, Float64Array>,
  weight: (name: string) => { readonly bias: T; readonly first: number },
): void {
  const numbers = layerNumbers(graph);
  for (const [i, load] of loads) {
    const kind = graph.kinds[graph.stack[i]!]!;
    const name = correctionBias(Object.keys(kind.weights));
    if (name === undefined) continue;
    const mean = load.reduce((a, b) => a + b, 0) / load.length;
    const { bias, first } = weight(weightKey(kind, name, numbers[i]!));
    const [count] = algebra.shape(bias) as [number];
    algebra.loop(
      [bias],
      [],
      { elements: count },
      ([b]) => {
        for (let e = 0; e < count; e++) b![e] = b![e]! + biasStep * Math.sign(mean - load[first + e]!);
      },
      [0],
    );
  }
}

const correctionBias = (weights: readonly string[]): string | undefined =>
  weights.find((w) => w.endsWith("e_score_correction_bias"));
