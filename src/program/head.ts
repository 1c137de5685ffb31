/**
 * The output head and its loss, some rows at a time, so that logits never exist as a whole: each chunk's logits become
 * their own gradient in place, and are gone before the next (Liger's fused linear cross-entropy).
 */
import type { LayerKind, Op } from "../model/graph.js";
import type { Segment } from "./layer.js";
import { type OpContext, opPrograms } from "./ops/index.js";
import { flag } from "./ops/types.js";

export interface Head {
  /** What comes before the projection: the final norm. */
  readonly body: Segment;
  readonly projection: Op;
  /** Softcap or scale between projection and loss. */
  readonly after: readonly Op[];
}

export function splitHead(kind: LayerKind): Head {
  const at = kind.ops.findIndex((op) => op.kind === "cross_entropy");
  const loss = kind.ops[at]!;
  const after: Op[] = [];
  let id = loss.inputs[0]!;
  for (;;) {
    const op = kind.ops.find((o) => o.outputs.includes(id));
    if (op === undefined) throw new Error("the head has no projection");
    if (op.kind === "linear") {
      const ops = kind.ops.slice(0, kind.ops.indexOf(op));
      return { body: { ops, input: kind.input, output: op.inputs[0]! }, projection: op, after };
    }
    after.unshift(op);
    id = op.inputs[0]!;
  }
}

const heads = new WeakMap<LayerKind, Head>();
export function headOf(kind: LayerKind): Head {
  const head = heads.get(kind) ?? splitHead(kind);
  heads.set(kind, head);
  return head;
}

/** Rows of logits at a time: about 16 MiB of them. */
export const chunkRows = (tokens: number, vocab: number): number =>
  Math.min(tokens, Math.max(16, Math.floor(2 ** 22 / vocab)));

/**
 * Loss of each of a chunk's rows [rows]; where gradients are wanted the logits become them in place. Both are weighted.
 * @param first number of the chunk's first row
 */
export type ChunkLoss<T> = (logits: T, first: number, rows: number) => T;

/** The next token's cross-entropy: (softmax − one-hot) · weight · scale. */
export function nextToken<T>(
  { algebra }: OpContext<T>,
  targets: T,
  weights: T,
  scale: number | undefined,
): ChunkLoss<T> {
  return (logits, first, rows) => {
    const chunkTargets = algebra.rows(targets, first, rows);
    const chunkWeights = algebra.rows(weights, first, rows);
    const losses = algebra.crossEntropy(logits, chunkTargets, chunkWeights, scale ?? 1, scale !== undefined);
    algebra.free(chunkTargets);
    algebra.free(chunkWeights);
    return losses;
  };
}

/**
 * Loss of each row, and (where `gradient`) the gradient of x, with the projection's added up. Takes ownership of `x`.
 */
export function headLoss<T>(
  context: OpContext<T>,
  head: Head,
  x: T,
  vocab: number,
  loss: ChunkLoss<T>,
  gradient: boolean,
): { readonly losses: T; readonly dx: T | undefined } {
  const { algebra } = context;
  const [tokens] = algebra.shape(x) as [number];
  const losses = algebra.zeros([tokens]);
  const dx = gradient ? algebra.zeros(algebra.shape(x)) : undefined;
  const size = chunkRows(tokens, vocab);
  const [w, b] = head.projection.weights;
  const transposed = flag(head.projection, "transposed");
  for (let first = 0; first < tokens; first += size) {
    const n = Math.min(size, tokens - first);
    const part = algebra.rows(x, first, n);
    let logits = algebra.matmul(part, context.weight(w!), false, !transposed);
    if (b !== undefined) algebra.addBias(logits, context.weight(b));
    const capped: T[] = [];
    for (const op of head.after) {
      const [next] = opPrograms[op.kind]!.forward(context, op, [logits]).outputs;
      algebra.free(logits);
      logits = next!;
      if (gradient && op.kind === "softcap") capped.push(algebra.scale(logits, 1));
    }
    const chunk = loss(logits, first, n);
    algebra.putRows(losses, chunk, first);
    algebra.free(chunk);
    if (dx !== undefined) {
      for (const op of [...head.after].reverse()) {
        const output = op.kind === "softcap" ? capped.pop() : undefined;
        const [next] = opPrograms[op.kind]!.backward(context, op, { inputs: [], outputs: [output], internals: [] }, [
          logits,
        ]);
        algebra.free(logits);
        if (output !== undefined) algebra.free(output);
        logits = next!;
      }
      const dw = context.gradient(w!);
      const db = b === undefined ? undefined : context.gradient(b);
      if (dw !== undefined) {
        if (transposed) algebra.matmulInto(dw, part, logits, true, false);
        else algebra.matmulInto(dw, logits, part, true, false);
      }
      if (db !== undefined) algebra.sumRowsInto(db, logits);
      const chunkDx = algebra.matmul(logits, context.weight(w!), false, transposed);
      if (context.round !== undefined) algebra.round(chunkDx, context.round);
      algebra.putRows(dx, chunkDx, first);
      algebra.free(chunkDx);
    }
    algebra.free(logits);
    algebra.free(part);
  }
  algebra.free(x);
  return { losses, dx };
}

/** The head of a model that is asked at a temperature: its logits are divided by it. */
export function headAt(head: Head, temperature: number): Head {
  if (temperature === 1) return head;
  const cool = {
    ...head.projection,
    id: "temperature",
    kind: "scale",
    weights: [],
    attrs: { factor: 1 / temperature },
  };
  return { ...head, after: [...head.after, cool as Op] };
}

/** Takes ownership of `x`. */
export function headLogits<T>(context: OpContext<T>, head: Head, x: T): T {
  const { algebra } = context;
  const [w, b] = head.projection.weights;
  let logits = algebra.matmul(x, context.weight(w!), false, !flag(head.projection, "transposed"));
  algebra.free(x);
  if (b !== undefined) algebra.addBias(logits, context.weight(b));
  for (const op of head.after) {
    const [next] = opPrograms[op.kind]!.forward(context, op, [logits]).outputs;
    algebra.free(logits);
    logits = next!;
  }
  return logits;
}
