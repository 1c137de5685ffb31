/** Mixture of experts: the router, tokens sorted by expert, a matrix an expert, and their weighted sum. */
import type { Op } from "../../model/graph.js";
import type { Algebra } from "../algebra.js";
import { linear } from "./linear.js";
import type { LayerRouting, Route } from "./route.js";
import { auxiliaryLoss, type Peers, routeOf, weightsBackward } from "./routing.js";
import { num, type OpContext, type OpProgram, type Saved, withWeight } from "./types.js";

function routing<T>(context: OpContext<T>): LayerRouting {
  if (context.routing === undefined) throw new Error("a layer of experts runs without routing");
  return context.routing.layer;
}

function routed<T>(context: OpContext<T>): Route {
  const { route } = routing(context);
  if (route === undefined) throw new Error("experts before their dispatch");
  return route;
}

/** Scores of all experts. A correction bias takes part in the choice only. */
export const router: OpProgram = {
  ...linear,
  forward(context, op, inputs) {
    if (op.attrs.balancing === "bias") {
      const name = op.weights[0]!.replace(/weight$/, "e_score_correction_bias");
      routing(context).bias = context.algebra.read(context.weight(name));
    }
    return linear.forward(context, op, inputs);
  },
};

/** Copies of each token for its experts, sorted by expert [tokens · topK, hidden]. */
export const dispatch: OpProgram = {
  internals: () => 0,
  needs: () => ({ inputs: [1], outputs: [] }),
  forward(context, op, [x, scores]) {
    const { algebra } = context;
    const layer = routing(context);
    const peers = peersOf(context);
    const route = routeOf(op, algebra.read(scores!), layer.bias, peers);
    layer.route = route;
    layer.auxLoss = auxiliaryLoss(op, route, 0, undefined, peers);
    observe(layer, route, context.routing?.counts === true);
    const width = algebra.shape(x!)[1]!;
    const rows = route.rowOf.length;
    const topK = num(op, "topK");
    const outputs = algebra.loop([x!], [[rows, width]], { elements: 2 * rows * width }, ([all], [out]) => {
      route.rowOf.forEach((row, slot) => {
        if (route.kept[slot] === 0) return;
        const t = Math.floor(slot / topK);
        out!.set(all!.subarray(t * width, (t + 1) * width), row * width);
      });
    });
    return { outputs, internals: [] };
  },
  backward(context, op, { inputs: [, scores] }, [dy]) {
    const { algebra } = context;
    const route = routed(context);
    const width = algebra.shape(dy!)[1]!;
    const topK = num(op, "topK");
    const tokens = route.rowOf.length / topK;
    const factor = op.attrs.balancing === "aux_loss" ? num(op, "auxLoss") * (context.routing?.auxScale ?? 0) : 0;
    const cost = { elements: 2 * route.rowOf.length * width };
    return algebra.loop([dy!], [[tokens, width], algebra.shape(scores!)], cost, ([d], [dx, dScores]) => {
      route.rowOf.forEach((row, slot) => {
        if (route.kept[slot] === 0) return;
        const to = Math.floor(slot / topK) * width;
        for (let j = 0; j < width; j++) dx![to + j] = dx![to + j]! + d![row * width + j]!;
      });
      auxiliaryLoss(op, route, factor, dScores, peersOf(context));
    });
  },
};

function peersOf<T>({ links, sequences }: OpContext<T>): Peers | undefined {
  return links === undefined || links.context.size === 1 ? undefined : { group: links.context, sequences };
}

function observe(layer: LayerRouting, { wanted }: Route, training: boolean): void {
  const all = wanted.reduce((a, b) => a + b, 0);
  layer.imbalance = (Math.max(...wanted) * wanted.length) / Math.max(1, all);
  if (!training) return;
  layer.load ??= new Float64Array(wanted.length);
  for (let e = 0; e < wanted.length; e++) layer.load[e] = layer.load[e]! + wanted[e]!;
}

interface Piece {
  readonly first: number;
  readonly rows: number;
}

/** Rows of each expert in pieces of at most the mean, so that what they take besides never depends on the balance. */
function* pieces(counts: Int32Array, rows: number): Generator<readonly [expert: number, pieces: readonly Piece[]]> {
  const most = Math.max(1, Math.ceil(rows / counts.length));
  let first = 0;
  for (const [expert, count] of counts.entries()) {
    const own: Piece[] = [];
    for (let left = count; left > 0; left -= most) {
      own.push({ first, rows: Math.min(most, left) });
      first += Math.min(most, left);
    }
    if (own.length > 0) yield [expert, own];
  }
}

/** y = x · Wᵀ with each expert's own W [out, in]. */
export const groupedLinear: OpProgram = {
  internals: () => 0,
  needs: () => ({ inputs: [0], outputs: [] }),
  forward<T>(context: OpContext<T>, op: Op, [x]: readonly T[]) {
    const { algebra } = context;
    const [rows] = algebra.shape(x!) as [number];
    const { counts } = routed(context);
    let y: T | undefined;
    for (const [expert, own] of pieces(counts, rows)) {
      const multiply = (w: T): void => {
        const [out] = algebra.shape(w) as [number];
        y ??= algebra.zeros([rows, out]);
        for (const piece of own) {
          const part = algebra.rows(x!, piece.first, piece.rows);
          put(algebra, y, algebra.matmul(part, w, false, true), piece.first);
          algebra.free(part);
        }
      };
      withWeight(context, op.weights[0]!, multiply, expert);
    }
    // On a rank of several, whose experts nobody chose.
    y ??= withWeight(context, op.weights[0]!, (w) => algebra.zeros([rows, algebra.shape(w)[0]!]), 0);
    return { outputs: [y], internals: [] };
  },
  backward<T>(context: OpContext<T>, op: Op, { inputs: [x] }: Saved<T>, [dy]: readonly T[]) {
    const { algebra, gradient } = context;
    const [rows, width] = algebra.shape(x!) as [number, number];
    const { counts } = routed(context);
    const dx = algebra.zeros([rows, width]);
    for (const [expert, own] of pieces(counts, rows)) {
      const dw = gradient(op.weights[0]!, expert);
      const multiply = (w: T): void => {
        for (const piece of own) {
          const part = algebra.rows(dy!, piece.first, piece.rows);
          put(algebra, dx, algebra.matmul(part, w, false, false), piece.first);
          if (dw !== undefined) {
            const input = algebra.rows(x!, piece.first, piece.rows);
            algebra.matmulInto(dw, part, input, true, false);
            algebra.free(input);
          }
          algebra.free(part);
        }
      };
      withWeight(context, op.weights[0]!, multiply, expert);
    }
    return [dx];
  },
};

function put<T>(algebra: Algebra<T>, into: T, rows: T, first: number): void {
  algebra.putRows(into, rows, first);
  algebra.free(rows);
}

/** Σ weight · expert's output of each token. */
export const combine: OpProgram = {
  internals: () => 0,
  needs: () => ({ inputs: [0, 1], outputs: [] }),
  forward(context, op, [done]) {
    const { algebra } = context;
    const route = routed(context);
    const topK = num(op, "topK");
    const [rows, width] = algebra.shape(done!) as [number, number];
    const outputs = algebra.loop([done!], [[rows / topK, width]], { elements: 3 * rows * width }, ([all], [out]) => {
      route.rowOf.forEach((row, slot) => {
        if (route.kept[slot] === 0) return;
        const [to, w] = [Math.floor(slot / topK) * width, route.weights[slot]!];
        for (let j = 0; j < width; j++) out![to + j] = out![to + j]! + w * all![row * width + j]!;
      });
    });
    return { outputs, internals: [] };
  },
  backward(context, op, { inputs: [done, scores] }, [dy]) {
    const { algebra } = context;
    const route = routed(context);
    const topK = num(op, "topK");
    const [rows, width] = algebra.shape(done!) as [number, number];
    const cost = { elements: 4 * rows * width };
    return algebra.loop([done!, dy!], [[rows, width], algebra.shape(scores!)], cost, ([all, d], [dDone, dScores]) => {
      const dWeights = new Float32Array(rows);
      route.rowOf.forEach((row, slot) => {
        if (route.kept[slot] === 0) return;
        const [from, w] = [Math.floor(slot / topK) * width, route.weights[slot]!];
        let sum = 0;
        for (let j = 0; j < width; j++) {
          const g = d![from + j]!;
          sum += g * all![row * width + j]!;
          dDone![row * width + j] = w * g;
        }
        dWeights[slot] = sum;
      });
      weightsBackward(op, route, dWeights, dScores!);
    });
  },
};
