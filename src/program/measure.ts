/** The algebra on shapes as each backend would compute: same operations, same intermediates, same bytes. */
import type { Algebra } from "./algebra.js";
import { ComposedAlgebra } from "./composed/index.js";
import { ShapePrimitives } from "./shape-primitives.js";
import { type Rates, ShapeAlgebra } from "./shapes.js";

/** A step on shapes alone; figures are those so far. */
export interface DryRun {
  readonly algebra: Algebra<object>;
  readonly bytes: () => number;
  readonly peak: () => number;
  readonly seconds: () => number;
  /** Starts a new peak, from what is alive now. */
  readonly reset: () => void;
}

/** @param backend one with kernels of our own ("wasm"), or a library that the composed algebra runs on */
export function dryRun(backend: string, rates: Rates): DryRun {
  if (backend === "wasm") {
    const algebra = new ShapeAlgebra(rates);
    return {
      algebra,
      bytes: () => algebra.bytes,
      peak: () => algebra.peak,
      seconds: () => algebra.seconds,
      reset: () => {
        algebra.peak = algebra.bytes;
      },
    };
  }
  const native = backend === "tensorflow" || backend === "tensorflow-gpu";
  const shapes = new ShapePrimitives(rates, native ? ["scalar", "rows", "adam", "sumOfSquares", "round"] : []);
  const algebra = new ComposedAlgebra(shapes);
  return {
    algebra,
    bytes: () => algebra.meter.bytes,
    peak: () => algebra.meter.peak,
    seconds: () => shapes.seconds,
    reset: () => algebra.meter.reset(),
  };
}
