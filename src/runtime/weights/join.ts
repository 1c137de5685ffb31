/** Weights and adapters of parts (./slices.ts), put together as checkpoints keep them. */
import type { ModelGraph } from "../../model/graph.js";
import { type NamedTensor, weightName } from "../interfaces.js";
import { concreteWeights } from "./names.js";
import { product, runs, wholeShape } from "./slices.js";

/** The checkpoint's tensors of a graph's weights: parts are joined where their first one stood. */
export function joinSlices(tensors: readonly NamedTensor[], graph: ModelGraph): NamedTensor[] {
  const slices = new Map(
    concreteWeights(graph).flatMap(({ name, spec, layer, expert }) =>
      spec.slice === undefined
        ? []
        : [[name, { ...spec.slice, of: weightName(spec.slice.of, layer, expert) }] as const],
    ),
  );
  const wholes = new Map<string, NamedTensor>();
  const out: NamedTensor[] = [];
  for (const tensor of tensors) {
    const slice = slices.get(tensor.name);
    if (slice === undefined) {
      out.push(tensor);
      continue;
    }
    let whole = wholes.get(slice.of);
    if (whole === undefined) {
      const shape = wholeShape(tensor.shape, slice);
      whole = { name: slice.of, shape, values: new Float32Array(product(shape)) };
      wholes.set(slice.of, whole);
      out.push(whole);
    }
    const { values } = whole;
    const part = tensor.values;
    runs(tensor.shape, slice, (to, from, length) => values.set(part.subarray(from, from + length), to));
  }
  return out;
}

export interface JoinedAdapter {
  readonly lora: readonly NamedTensor[];
  /** How many times the adapter's rank a module of the checkpoint has; by the module's last name, only where it is not 1. */
  readonly times: ReadonlyMap<string, number>;
}

/**
 * Adapters of parts as one adapter of the whole, exactly: A's stand above one another, B's are the blocks of a diagonal, so
 * its rank is that of all parts together.
 */
export function joinAdapters(lora: readonly NamedTensor[], graph: ModelGraph): JoinedAdapter {
  const modules = new Map(
    concreteWeights(graph).flatMap(({ name, spec, layer, expert }) =>
      spec.slice === undefined || !name.endsWith(".weight")
        ? []
        : [
            [
              bare(name),
              { of: bare(weightName(spec.slice.of, layer, expert)), start: spec.slice.start, size: spec.slice.size },
            ] as const,
          ],
    ),
  );
  const groups = new Map<string, { start: number; size: number; A?: NamedTensor; B?: NamedTensor }[]>();
  const out: NamedTensor[] = [];
  for (const tensor of lora) {
    const [, module = "", side = ""] = /^(.*)\.lora_([AB])\./.exec(tensor.name) ?? [];
    const part = modules.get(module);
    if (part === undefined) {
      out.push(tensor);
      continue;
    }
    const group = groups.get(part.of) ?? [];
    groups.set(part.of, group);
    const have = group.find((p) => p.start === part.start);
    const entry = have ?? { start: part.start, size: part.size };
    if (have === undefined) group.push(entry);
    entry[side as "A" | "B"] = tensor;
  }
  const times = new Map<string, number>();
  for (const [of, group] of groups) {
    const parts = group.flatMap(({ A, B, start, size }) => (A && B ? [{ A, B, start, size }] : []));
    const [first] = parts;
    if (first === undefined) continue;
    const [rank = 0, inputs = 0] = first.A.shape;
    const all = parts.length * rank;
    const A = new Float32Array(all * inputs);
    const B = new Float32Array(first.size * all);
    parts.forEach((part, i) => {
      A.set(part.A.values, i * rank * inputs);
      const [outputs = 0] = part.B.shape;
      for (let o = 0; o < outputs; o++)
        B.set(part.B.values.subarray(o * rank, (o + 1) * rank), (part.start + o) * all + i * rank);
    });
    out.push({ name: `${of}.lora_A.weight`, shape: [all, inputs], values: A });
    out.push({ name: `${of}.lora_B.weight`, shape: [first.size, all], values: B });
    if (parts.length > 1) times.set(of.split(".").at(-1) ?? of, parts.length);
  }
  return { lora: out, times };
}

const bare = (name: string): string => name.replace(/\.weight$/, "");
