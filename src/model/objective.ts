/**
 * An objective as a graph: which models it holds (roles), and what each does in a step (phases). Figures of every phase
 * come from the walk over the same ops as those of the trained model.
 */
import type { ObjectiveDescriptor } from "../catalog/types.js";
import { attended, bytesPerToken } from "./figures.js";
import type { LayerKind, ModelGraph, Op, WeightSpec } from "./graph.js";

/** `policy`: the trained model (a student too). `rollout`: the policy that generates. */
export type Role = "policy" | "reference" | "teacher" | "rollout";

export interface RoleModel {
  readonly graph: ModelGraph;
  readonly trained: boolean;
  /** Uses this role's weights: rollouts the policy's, the reference of an adapter the base below it. */
  readonly shares?: Role;
}

export type PhaseKind = "train" | "forward" | "prefill" | "decode" | "reward";

/** Which of a sequence's tokens: all of it, its prompt, or its answer. */
export type Tokens = "sequence" | "prompt" | "answer";

export interface Phase {
  /** `update`, `teacher`, `reference`, `old_log_probs`, `rollout.prefill`, `rollout.decode`, `reward`. */
  readonly id: string;
  readonly role: Role;
  readonly kind: PhaseKind;
  /** For each sample of the batch: chosen and rejected answers, or a prompt's group. */
  readonly sequences: number;
  readonly tokens: Tokens;
  /** Runs while the activations of the trained model are held (teachers, DPO's reference), not before them. */
  readonly beside: boolean;
}

export interface ObjectiveGraph {
  readonly schema: "llmp.objective/1";
  readonly objective: string;
  readonly roles: Readonly<Partial<Record<Role, RoleModel>>>;
  /** In the order of a step. */
  readonly phases: readonly Phase[];
  /** Longest answer, where answers are generated. */
  readonly answer: number;
}

export interface ObjectiveModels {
  readonly policy: ModelGraph;
  readonly reference?: ModelGraph;
  readonly teacher?: ModelGraph;
  /** The reference is the policy's base with its adapter switched off. */
  readonly sharesBase: boolean;
  /** Options of the objective by their names in camel case. */
  readonly options: Readonly<Record<string, { readonly value: unknown } | undefined>>;
  /** The engine computes the samples' log-probabilities again before the first update. */
  readonly oldLogProbs?: boolean;
}

const camel = (name: string): string => name.replace(/_([a-z])/g, (_, c: string) => c.toUpperCase());

export function objectiveGraph(
  descriptor: Pick<ObjectiveDescriptor, "name" | "passes">,
  models: ObjectiveModels,
): ObjectiveGraph {
  const { policy, reference, teacher } = models;
  const option = (name: string, otherwise: number): number => {
    const value = models.options[camel(name)]?.value;
    return typeof value === "number" ? value : otherwise;
  };
  const phases: Phase[] = [];
  for (const pass of descriptor.passes) {
    const graph = { policy, reference, teacher }[pass.model];
    if (graph === undefined) continue;
    if (pass.only === "reused" && models.oldLogProbs !== true && option("updates", 1) <= 1) continue;
    const sequences = typeof pass.sequences === "number" ? pass.sequences : option(pass.sequences.option, 1);
    const one = { sequences, beside: pass.beside === true };
    if (pass.kind !== "generate") {
      phases.push({ id: pass.phase, role: pass.model, kind: pass.kind, tokens: "sequence", ...one });
      continue;
    }
    phases.push(
      { id: `${pass.phase}.prefill`, role: "rollout", kind: "prefill", tokens: "prompt", ...one },
      { id: `${pass.phase}.decode`, role: "rollout", kind: "decode", tokens: "answer", ...one },
    );
  }
  const generates = phases.some((p) => p.role === "rollout");
  return {
    schema: "llmp.objective/1",
    objective: descriptor.name,
    roles: {
      policy: { graph: policy, trained: true },
      ...(reference === undefined
        ? {}
        : {
            reference: {
              graph: reference,
              trained: false,
              ...(models.sharesBase ? { shares: "policy" as const } : {}),
            },
          }),
      ...(teacher === undefined ? {} : { teacher: { graph: teacher, trained: false } }),
      ...(generates ? { rollout: { graph: policy, trained: false, shares: "policy" as const } } : {}),
    },
    phases,
    answer: generates ? option("max_completion", 512) : 0,
  };
}

/** Of one sequence in one phase. */
export interface PhaseFigures {
  readonly id: string;
  readonly role: Role;
  /** Tokens that pass through the model. */
  readonly tokens: number;
  readonly flops: number;
  /** Kept for a backward: nothing in a phase that has none. */
  readonly savedBytes: number;
  /** Key/value cache at the end of the phase. */
  readonly cacheBytes: number;
  /** Keys and values that are read from the cache, over the whole phase. */
  readonly cacheReadBytes: number;
  /** Weights of the role, in elements: all; those that get gradients and optimizer state; those that are held beside the policy's. */
  readonly parameters: number;
  readonly trainable: number;
  readonly own: number;
}

/** How keys and values are cached: expanded per head (transformers), or as MLA's latent (vLLM and others that absorb it). */
export type CacheForm = "expanded" | "latent";

/** Elements that a layer caches for a token, and after how many tokens it forgets; 0: never. */
export function cacheOf(kind: LayerKind, form: CacheForm): { readonly elements: number; readonly window: number } {
  const op = kind.ops.find((o) => o.kind === "attention");
  if (op === undefined) return { elements: 0, window: 0 };
  const window = Number(op.attrs.window ?? 0);
  const latent = kind.ops.find((o) => o.kind === "rope" && o.attrs.latent === true);
  if (latent !== undefined && form === "latent") {
    // The compressed row that keys and values are made from, the shared rotary key in it.
    const row = kind.tensors[latent.inputs[2] ?? ""];
    return { elements: width(row?.shape), window };
  }
  const head = Number(op.attrs.headDim);
  const value = Number(op.attrs.valueDim ?? head);
  return { elements: Number(op.attrs.kvHeads ?? op.attrs.heads) * (head + value), window };
}

const width = (shape: readonly unknown[] | undefined): number =>
  (shape ?? []).reduce<number>((n, d) => (typeof d === "number" ? n * d : n), 1);

/** Bytes that one sequence of `length` tokens keeps in caches of 2 bytes an element. */
export const cacheBytes = (graph: ModelGraph, length: number, form: CacheForm = "latent"): number =>
  graph.stack.reduce((sum, id) => {
    const { elements, window } = cacheOf(graph.kinds[id]!, form);
    return sum + 2 * elements * (window > 0 ? Math.min(window, length) : length);
  }, 0);

/** Σ over the tokens from `first` to `last` (counted from 1) of the positions that each attends to. */
function positions(first: number, last: number, window: number, causal: boolean): number {
  const upTo = (n: number): number => (n <= 0 ? 0 : n * attended({ window, causal }, n));
  return upTo(last) - upTo(first - 1);
}

/** Forward FLOPs of one sequence's tokens `first`…`last`, the ones before them cached; `logits`: for how many of them. */
export function spanFlops(graph: ModelGraph, first: number, last: number, logits = last - first + 1): number {
  const tokens = last - first + 1;
  let flops = 0;
  for (const id of graph.stack)
    for (const op of graph.kinds[id]!.ops) {
      const rows = op.module === "head" ? logits : tokens;
      flops += rows * op.flopsPerToken + op.flopsPerTokenPair * pairs(op, first, last);
    }
  return flops;
}

const pairs = (op: Op, first: number, last: number): number =>
  op.flopsPerTokenPair === 0 ? 0 : positions(first, last, Number(op.attrs.window ?? 0), op.attrs.causal !== false);

const elements = (w: WeightSpec): number => (w.tiedTo === undefined ? w.shape.reduce((a, b) => a * b, w.copies) : 0);

/** Every phase of a step, for one sequence of `length` tokens, answer counted. */
export function phaseFigures(g: ObjectiveGraph, length: number, form: CacheForm = "latent"): PhaseFigures[] {
  const answer = Math.min(g.answer, Math.max(1, length - 1));
  const prompt = length - answer;
  return g.phases.map((phase) => {
    const role = g.roles[phase.role]!;
    const { graph } = role;
    const trains = phase.kind === "train";
    const spans = { sequence: [1, length], prompt: [1, prompt], answer: [prompt + 1, length] } as const;
    const [first, last] = spans[phase.tokens];
    const generates = phase.kind === "prefill" || phase.kind === "decode";
    let savedBytes = 0;
    let backward = 0;
    let cacheReadBytes = 0;
    for (const id of graph.stack) {
      const kind = graph.kinds[id]!;
      if (trains) {
        savedBytes += length * savedOf(kind);
        for (const op of kind.ops) {
          const forward = length * op.flopsPerToken + op.flopsPerTokenPair * pairs(op, 1, length);
          const trained = op.weights.length === 0 || op.weights.some((w) => kind.weights[w]?.trainable === true);
          backward += forward * (trained ? 2 : 1);
        }
      }
      if (phase.kind === "decode") {
        const { elements: n, window } = cacheOf(kind, form);
        cacheReadBytes += 2 * n * positions(first, last, window, true);
      }
    }
    const works = phase.kind !== "reward";
    // Only the last token of a prompt is sampled from.
    const logits = phase.kind === "prefill" ? 1 : undefined;
    const all = graph.stack.flatMap((id) => Object.values(graph.kinds[id]!.weights));
    const parameters = all.reduce((n, w) => n + elements(w), 0);
    return {
      id: phase.id,
      role: phase.role,
      tokens: works ? last - first + 1 : 0,
      flops: works ? spanFlops(graph, first, last, logits) + backward : 0,
      savedBytes,
      cacheBytes: generates ? cacheBytes(graph, last, form) : 0,
      cacheReadBytes,
      parameters,
      trainable: trains ? all.reduce((n, w) => n + (w.trainable ? elements(w) : 0), 0) : 0,
      own: role.shares === undefined ? parameters : 0,
    };
  });
}

/** Bytes a token that a layer keeps for its backward, each tensor once. */
function savedOf(kind: LayerKind): number {
  const routed = kind.ops.reduce((n, op) => Math.max(n, Number(op.attrs.topK ?? 1)), 1);
  const saved = new Set(kind.ops.flatMap((op) => op.saves));
  let bytes = 0;
  for (const id of saved) {
    const tensor = kind.tensors[id];
    if (tensor !== undefined) bytes += bytesPerToken(tensor, routed);
  }
  return bytes;
}
