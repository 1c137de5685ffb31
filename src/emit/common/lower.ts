/** Helpers that every lowering uses: refusals, learning-rate figures, facts of the layout. */
import { type Diagnostic, emitCodes, type Outcome } from "../../diagnostics/index.js";
import type { RecomputePlan } from "../../planner/plan.js";
import type { StageView } from "./stage.js";

/** A decision that the engine has no words for. Never drop one: refuse, with the reason. */
export const refuse = (view: StageView, what: string, reason: string, hint?: string): Diagnostic =>
  emitCodes.report(
    "LLMP5001",
    view.spec.span,
    { engine: view.stage.engine, what, stage: view.stage.name },
    {
      hints: [reason, hint ?? "docs/ENGINES.md says which engine can; name it with engine = …, or change the setting"],
    },
  );

export const failed = (problems: readonly Diagnostic[]): Outcome<never> => ({ diagnostics: problems });

/** How a plan's recomputation reads when all layers of the trunk follow one rule. */
export type RecomputeRule =
  | { readonly kind: "none" }
  | { readonly kind: "full" }
  /** Attention's core only (Korthikanti et al. 2022). */
  | { readonly kind: "selective" }
  /** Layers 0, n, 2n… in full. */
  | { readonly kind: "every"; readonly layers: number }
  /** In each pipeline stage the first n layers in full. */
  | { readonly kind: "block"; readonly layers: number }
  | { readonly kind: "ops"; readonly ops: readonly string[] }
  | { readonly kind: "mixed" };

const sameOps = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((x) => b.includes(x));

const isCore = (op: string): boolean => /(^|\.)(core|core_attn|attention|sdpa|softmax)$/.test(op);

/** Reads the per-layer list of a plan back into the shortest rule that makes exactly it. */
export function recomputeRule(view: StageView): RecomputeRule {
  const plan: RecomputePlan = view.stage.recompute;
  const trunk = trunkLayers(view);
  const modes = trunk.map(
    (index) =>
      plan.layers.find((l) => l.layer === index) ?? { layer: index, mode: "none" as const, ops: [], offload: [] },
  );
  const full = modes.map((l) => l.mode === "full");
  if (modes.every((l) => l.mode === "none")) return { kind: "none" };
  if (full.every(Boolean)) return { kind: "full" };
  if (modes.every((l) => l.mode === "ops")) {
    const ops = modes[0]?.ops ?? [];
    if (!modes.every((l) => sameOps(l.ops, ops))) return { kind: "mixed" };
    return ops.every(isCore) ? { kind: "selective" } : { kind: "ops", ops };
  }
  if (modes.some((l) => l.mode === "ops")) return { kind: "mixed" };
  for (let n = 2; n < modes.length; n++) {
    if (full.every((f, i) => f === (i % n === 0))) return { kind: "every", layers: n };
  }
  const counts = chunksOfTrunk(view).map((chunk) => {
    const inChunk = chunk.map((index) => full[trunk.indexOf(index)] === true);
    const n = inChunk.filter(Boolean).length;
    return inChunk.every((f, i) => f === i < n) ? n : -1;
  });
  const n = counts[0] ?? -1;
  return n >= 0 && counts.every((c) => c === n) ? { kind: "block", layers: n } : { kind: "mixed" };
}

/** Stack indices of the model's own layers: without the embedding (first) and the head (last). */
export function trunkLayers(view: StageView): number[] {
  return Array.from({ length: view.model.layers.value }, (_, i) => i + 1);
}

/** Trunk layers of each model chunk (pipeline × virtual), in order. */
export function chunksOfTrunk(view: StageView): number[][] {
  const trunk = trunkLayers(view);
  const { chunks } = view.stage.layout;
  if (chunks.length === 0) return [trunk];
  return chunks.map(({ first, last }) => trunk.filter((index) => index >= first && index <= last));
}

/** Layers per pipeline chunk are all the same (embedding and head aside). */
export const evenChunks = (view: StageView): boolean => new Set(chunksOfTrunk(view).map((c) => c.length)).size <= 1;

export const offloads = (view: StageView, what: "activations" | "optimizer"): boolean =>
  view.stage.offload === what || view.stage.offload === "both";

/** The learning rate's shape in steps. `decaySteps` are the last ones, in which it falls to `minRatio` of the peak. */
export function learningRate(view: StageView): {
  readonly kind: "constant" | "cosine" | "linear" | "wsd";
  readonly peak: number;
  readonly min: number;
  readonly minRatio: number;
  readonly warmup: number;
  readonly decaySteps: number;
} {
  const { lr, minLr, schedule } = view.optimizer;
  const { steps } = view.stage;
  const warmup = Math.min(view.warmupSteps, steps);
  const decaySteps =
    schedule.kind === "constant" ? 0 : schedule.kind === "wsd" ? Math.round(steps * schedule.decay) : steps - warmup;
  return { kind: schedule.kind, peak: lr, min: minLr, minRatio: lr > 0 ? minLr / lr : 0, warmup, decaySteps };
}

/** Where weights come from: an earlier stage or the model's own folder. */
export const startsWithWeights = (view: StageView): boolean =>
  view.spec.startsFrom !== undefined || view.model.weights !== undefined;
