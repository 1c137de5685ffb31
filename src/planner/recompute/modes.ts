/** What an engine can recompute, spelt out per entry of the stack. */
import type { Recompute } from "../../checker/pipeline.js";
import type { ModelGraph } from "../../model/graph.js";
import type { Chunks } from "../layout/chunks.js";
import type { RecomputeLayer } from "../plan.js";

export type Placement = readonly RecomputeLayer[];

const keep = (layer: number): RecomputeLayer => ({ layer, mode: "none", ops: [], offload: [] });
const drop = (layer: number): RecomputeLayer => ({ layer, mode: "full", ops: [], offload: [] });

/** Embedding and head keep what they keep: they are never recomputed. */
const inner = (graph: ModelGraph, layer: number): boolean => layer > 0 && layer < graph.stack.length - 1;

const each = (graph: ModelGraph, of: (layer: number) => RecomputeLayer): Placement =>
  graph.stack.map((_, layer) => (inner(graph, layer) ? of(layer) : keep(layer)));

/** Attention's inside (Korthikanti et al. 2022): what grows with the square of the sequence, or its flash remainder. */
export const selectiveOps = (graph: ModelGraph, kind: string): readonly string[] =>
  graph.kinds[kind]!.ops.filter((op) => op.kind === "attention").map((op) => op.id);

export const none = (graph: ModelGraph): Placement => each(graph, keep);
export const full = (graph: ModelGraph): Placement => each(graph, drop);
export const everyNth = (graph: ModelGraph, n: number): Placement =>
  each(graph, (layer) => ((layer - 1) % n === 0 ? drop(layer) : keep(layer)));
export const ofOps = (graph: ModelGraph, opsOf: (kind: string) => readonly string[]): Placement =>
  each(graph, (layer) => {
    const ops = opsOf(graph.stack[layer]!);
    return ops.length === 0 ? keep(layer) : { layer, mode: "ops", ops, offload: [] };
  });
export const selective = (graph: ModelGraph): Placement => ofOps(graph, (kind) => selectiveOps(graph, kind));

/** The first n layers of every chunk (Megatron's `recompute_method = block`). */
export function firstOfChunks(graph: ModelGraph, chunks: Chunks, n: number): Placement {
  const dropped = new Set<number>();
  for (const { first, last } of chunks) {
    let left = n;
    for (let layer = Math.max(1, first); layer <= Math.min(last, graph.stack.length - 2) && left > 0; layer++, left--) {
      dropped.add(layer);
    }
  }
  return each(graph, (layer) => (dropped.has(layer) ? drop(layer) : keep(layer)));
}

/** What the file fixes. */
export function requested(graph: ModelGraph, recompute: Recompute): Placement {
  switch (recompute.kind) {
    case "none":
      return none(graph);
    case "full":
      return full(graph);
    case "selective":
      return selective(graph);
    case "every":
      return everyNth(graph, recompute.layers);
    case "ops": {
      const wanted = new Set(recompute.ops);
      return ofOps(graph, (kind) => graph.kinds[kind]!.ops.map((op) => op.id).filter((id) => matches(wanted, id)));
    }
  }
}

/** `mlp` names all ops of the module, `mlp.act` one. */
const matches = (wanted: ReadonlySet<string>, id: string): boolean => wanted.has(id) || wanted.has(id.split(".")[0]!);

const moved = new WeakMap<Placement, Placement>();

/** The same, and what blocks keep waits in host memory. */
export function offloaded(graph: ModelGraph, placement: Placement): Placement {
  const known = moved.get(placement);
  if (known !== undefined) return known;
  const made = placement.map((l) =>
    inner(graph, l.layer)
      ? {
          ...l,
          offload: graph.kinds[graph.stack[l.layer]!]!.ops.filter((op) => op.saves.length > 0).map((op) => op.id),
        }
      : l,
  );
  moved.set(placement, made);
  return made;
}

/** One word for people. */
export function summarise(placement: Placement): string {
  const layers = placement.slice(1, -1);
  const modes = new Set(layers.map((l) => l.mode));
  const offloads = layers.some((l) => l.offload.length > 0);
  const word =
    modes.size > 1
      ? "mixed"
      : modes.has("full")
        ? "full"
        : modes.has("ops")
          ? layers.every((l) => l.ops.every((op) => /attn|attention/.test(op)) && l.ops.length <= 1)
            ? "selective"
            : new Set(layers.map((l) => l.ops.join())).size > 1
              ? "mixed"
              : "ops"
          : "none";
  return offloads ? `${word} + offload` : word;
}
