/** `Primitives` on shapes alone: the bytes of a composed algebra's tensors, and its seconds by the machine's rates. */
import type { LoopCost, LoopWork } from "./algebra.js";
import { type Binary, broadcast, type Primitives, type Unary } from "./primitives.js";
import { evenScores, loopSeconds, type Rates } from "./shapes.js";

export interface Sized {
  readonly dims: readonly number[];
  /** 1 for truth values, else 4. */
  readonly width: number;
}

const count = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1);
const transcendental: ReadonlySet<Unary> = new Set(["erf", "exp", "log", "sigmoid", "tanh"]);

export class ShapePrimitives implements Primitives<Sized> {
  seconds = 0;
  readonly fused: Primitives<Sized>["fused"];
  /** @param fused what the library that is stood for has fused */
  constructor(
    private readonly rates: Rates,
    fused: readonly (keyof Primitives<Sized>["fused"])[] = [],
  ) {
    const all: Required<Primitives<Sized>["fused"]> = {
      scalar: () => ({ dims: [], width: 4 }),
      rows: {
        softmax: (x) => this.made(x.dims, 6 * count(x.dims), count(x.dims)),
        pick: (x) => this.made([x.dims[0]!, 1], 0),
        subtractAt: (x) => this.made(x.dims, 0),
      },
      adam: (p, m, v) => {
        this.made(p.dims, 7 * count(p.dims));
        return [p, m, v];
      },
      sumOfSquares: (x) => {
        this.made([], count(x.dims));
        return 1;
      },
      round: (x) => this.made(x.dims, 4 * count(x.dims)),
    };
    this.fused = Object.fromEntries(fused.map((name) => [name, all[name]]));
  }

  private made(dims: readonly number[], elementsMoved: number, exponentials = 0, width = 4): Sized {
    this.seconds +=
      this.rates.launchSeconds +
      (4 * elementsMoved) / this.rates.elementwiseBandwidth +
      exponentials / this.rates.transcendentals;
    return { dims, width };
  }
  private copied(x: Sized, dims: readonly number[]): Sized {
    return this.made(dims, 2 * count(dims), 0, x.width);
  }
  shape(x: Sized): readonly number[] {
    return x.dims;
  }
  bytes(x: Sized): number {
    return x.width * count(x.dims);
  }
  floats(_values: Float32Array, dims: readonly number[]): Sized {
    return { dims, width: 4 };
  }
  ints(_values: Int32Array, dims: readonly number[]): Sized {
    return { dims, width: 4 };
  }
  fill(dims: readonly number[]): Sized {
    return dims.length === 0 ? { dims, width: 4 } : this.made(dims, count(dims));
  }
  dispose(): void {}
  read(x: Sized): Float32Array {
    return evenScores(x.dims);
  }
  reshape(x: Sized, dims: readonly number[]): Sized {
    if (count(dims) !== count(x.dims)) throw new Error(`[${x.dims}] is not [${dims}]`);
    return this.made(dims, 0, 0, x.width);
  }
  unary(op: Unary, x: Sized): Sized {
    const n = count(x.dims);
    return this.made(x.dims, 2 * n, transcendental.has(op) ? n : 0);
  }
  binary(op: Binary, a: Sized, b: Sized): Sized {
    const dims = broadcast(a.dims, b.dims);
    const width = op === "greater" || op === "equal" ? 1 : 4;
    return this.made(dims, count(a.dims) + count(b.dims) + (width / 4) * count(dims), 0, width);
  }
  cast(x: Sized): Sized {
    return this.made(x.dims, 1.25 * count(x.dims));
  }
  select(condition: Sized, yes: Sized, no: Sized): Sized {
    const dims = broadcast(condition.dims, broadcast(yes.dims, no.dims));
    return this.made(dims, 3.25 * count(dims));
  }
  matmul(a: Sized, b: Sized, transposeA: boolean, transposeB: boolean): Sized {
    const [ar, ac] = a.dims.slice(-2) as [number, number];
    const [br, bc] = b.dims.slice(-2) as [number, number];
    const [m, k, k2, n] = [transposeA ? ac : ar, transposeA ? ar : ac, transposeB ? bc : br, transposeB ? br : bc];
    if (k !== k2) throw new Error(`[${a.dims}] · [${b.dims}]`);
    const batch = a.dims.slice(0, -2);
    const { matmulFlops, attentionFlops } = this.rates;
    this.seconds +=
      (2 * count(batch) * m * n * k) / (batch.length === 0 ? matmulFlops : (attentionFlops ?? matmulFlops));
    return this.made([...batch, m, n], 0);
  }
  reduce(_op: "sum" | "max", x: Sized, axis: number): Sized {
    return this.made(
      x.dims.map((n, i) => (i === axis ? 1 : n)),
      count(x.dims),
    );
  }
  transpose(x: Sized, permutation: readonly number[]): Sized {
    return this.copied(
      x,
      permutation.map((i) => x.dims[i]!),
    );
  }
  slice(x: Sized, axis: number, _first: number, size: number): Sized {
    return this.copied(
      x,
      x.dims.map((n, i) => (i === axis ? size : n)),
    );
  }
  concat(parts: readonly Sized[], axis: number): Sized {
    const size = parts.reduce((sum, p) => sum + p.dims[axis]!, 0);
    return this.copied(
      parts[0]!,
      parts[0]!.dims.map((n, i) => (i === axis ? size : n)),
    );
  }
  pad(x: Sized, axis: number, before: number, after: number): Sized {
    return this.copied(
      x,
      x.dims.map((n, i) => (i === axis ? before + n + after : n)),
    );
  }
  gather(table: Sized, ids: Sized): Sized {
    return this.copied(table, [...ids.dims, ...table.dims.slice(1)]);
  }
  scatterAdd(x: Sized, _ids: Sized, rows: number): Sized {
    const dims = [rows, ...x.dims.slice(1)];
    return this.made(dims, count(dims) + 3 * count(x.dims));
  }
  oneHot(ids: Sized, depth: number): Sized {
    const dims = [...ids.dims, depth];
    return this.made(dims, count(dims));
  }
  loop(
    inputs: readonly Sized[],
    shapes: readonly (readonly number[])[],
    cost: LoopCost,
    _work: LoopWork,
    written: readonly number[],
  ): readonly Sized[] {
    this.seconds += loopSeconds(cost, this.rates);
    return [...shapes, ...written.map((i) => inputs[i]!.dims)].map((dims) => ({ dims, width: 4 }));
  }
}
