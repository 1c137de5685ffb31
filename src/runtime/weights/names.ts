import { runCodes } from "../../diagnostics/index.js";
import type { ModelGraph, Slice, WeightSpec } from "../../model/graph.js";
import { fail } from "../failure.js";
import { type NamedTensor, type WeightStore, weightName } from "../interfaces.js";
import { takeSlice, wholeShape } from "./slices.js";

export interface ConcreteWeight {
  /** Hugging Face name with its holes filled in. */
  readonly name: string;
  readonly spec: WeightSpec;
  /** Index in the graph's stack, and layer number from 0 as Hugging Face counts (−1 outside the layers). */
  readonly stack: number;
  readonly layer: number;
  readonly expert: number;
  /** Its storage is this other weight. */
  readonly tiedTo?: string;
}

/** Kinds of the stack that are not decoder layers and so don't count in `{layer}`. */
const isLayer = (weights: Readonly<Record<string, WeightSpec>>): boolean =>
  Object.values(weights).some((w) => w.name.includes("{layer}"));

/** Every weight of a model in the order of its stack, experts one by one. */
export function concreteWeights(graph: ModelGraph): readonly ConcreteWeight[] {
  const out: ConcreteWeight[] = [];
  let layer = 0;
  graph.stack.forEach((id, stack) => {
    const kind = graph.kinds[id];
    if (kind === undefined) throw new Error(`stack names ${id}, which is no kind`);
    const counts = isLayer(kind.weights);
    for (const spec of Object.values(kind.weights)) {
      const experts = spec.name.includes("{expert}") ? spec.copies : 1;
      for (let expert = 0; expert < experts; expert++)
        out.push({
          name: weightName(spec.name, layer, expert),
          spec,
          stack,
          layer: counts ? layer : -1,
          expert,
          ...(spec.tiedTo === undefined ? {} : { tiedTo: weightName(spec.tiedTo, layer, expert) }),
        });
    }
    if (counts) layer++;
  });
  return out;
}

/**
 * A checkpoint's weights under the graph's names. Checkpoints of bare models lack the `model.`/`transformer.` prefix, and
 * those wrapped by a trainer carry one more; both are found. Missing weights and other shapes are errors.
 */
export function forGraph(
  store: WeightStore,
  graph: ModelGraph,
  path: string,
): WeightStore & { readonly unused: readonly string[] } {
  const present = new Set(store.names());
  const wanted = concreteWeights(graph).filter((w) => w.tiedTo === undefined && !isAdapter(w.name));
  const find = (name: string): string | undefined => candidates(name).find((candidate) => present.has(candidate));
  const from = new Map<string, string>();
  const slices = new Map<string, Slice>();
  const missing: string[] = [];
  for (const { name, spec, layer, expert } of wanted) {
    const own = find(name);
    const whole = spec.slice === undefined ? undefined : weightName(spec.slice.of, layer, expert);
    const source = own ?? (whole === undefined ? undefined : find(whole));
    if (source === undefined) missing.push(whole ?? name);
    else from.set(name, source);
    if (own === undefined && spec.slice !== undefined) slices.set(name, spec.slice);
  }
  const [first] = missing;
  if (first !== undefined)
    fail(
      runCodes.report(
        "LLMP6202",
        undefined,
        { path, name: first, why: missing.length === 1 ? "is missing" : `and ${missing.length - 1} more are missing` },
        { hints: [`it has ${[...present].slice(0, 4).join(", ")}…`] },
      ),
    );
  const shapes = new Map(wanted.map((w) => [w.name, w.spec.shape]));
  const used = new Set(from.values());
  // Parts of one tensor are mostly read one after the other.
  let last: { readonly source: string; readonly tensor: NamedTensor } | undefined;
  const load = async (source: string): Promise<NamedTensor | undefined> => {
    if (last?.source === source) return last.tensor;
    const tensor = await store.read(source);
    last = tensor === undefined ? undefined : { source, tensor };
    return tensor;
  };
  return {
    unused: [...present].filter(
      (name) =>
        !used.has(name) && !isTiedCopy(name, graph) && !/rotary_emb\.inv_freq$|\.attn\.(masked_)?bias$/.test(name),
    ),
    names: () => [...from.keys()],
    read: async (name): Promise<NamedTensor | undefined> => {
      const source = from.get(name);
      const slice = slices.get(name);
      const tensor = source === undefined ? undefined : await (slice === undefined ? store.read(source) : load(source));
      if (tensor === undefined) return undefined;
      const own = shapes.get(name) ?? [];
      const shape = slice === undefined ? own : wholeShape(own, slice);
      if (tensor.shape.length !== shape.length || tensor.shape.some((dim, i) => dim !== shape[i]))
        fail(
          runCodes.report("LLMP6202", undefined, {
            path,
            name: tensor.name,
            why: `is [${tensor.shape.join(", ")}], and the model needs [${shape.join(", ")}]`,
          }),
        );
      if (slice !== undefined) return { name, shape: own, values: takeSlice(tensor.values, own, slice) };
      return { ...tensor, name };
    },
    close: () => store.close(),
  };
}

const isAdapter = (name: string): boolean => /\.lora_[AB]\./.test(name);

const isTiedCopy = (name: string, graph: ModelGraph): boolean =>
  Object.values(graph.kinds).some((kind) =>
    Object.values(kind.weights).some((w) => w.tiedTo !== undefined && w.name === name),
  );

function candidates(name: string): string[] {
  const bare = name.replace(/^(model|transformer)\./, "");
  return [
    name,
    bare,
    `model.${name}`,
    `transformer.${bare}`,
    `language_model.${name}`,
    `model.language_model.${bare}`,
    `module.${name}`,
  ];
}
