/** A training step as a program over an algebra of tensors: the runtime computes it, the planner measures it. */
export * from "./algebra.js";
export { type Cell, ComposedAlgebra } from "./composed/index.js";
export { Decoder } from "./decode.js";
export { DelayedScaling } from "./delayed.js";
export { formats } from "./formats.js";
export { type Fp8Recipe, fp8Recipes, quantise, roundValue } from "./fp8.js";
export { headOf, splitHead } from "./head.js";
export { checkIds, type IdKind, rangeOf } from "./ids.js";
export { type LayerSaved, layerBackward, layerForward } from "./layer.js";
export { type DryRun, dryRun } from "./measure.js";
export { Meter } from "./meter.js";
export { type MicroBatch, type ModelState, microBatchStep, weightKey } from "./model.js";
export { nf4Levels, packNf4, storedScales, unpackNf4 } from "./nf4.js";
export { dynamicMap, packScales, unpackScales } from "./nf4-scales.js";
export { type Noise, noiseOf } from "./noise.js";
export { eightBits, type Numerics, numericsOf } from "./numerics.js";
export * from "./objectives/index.js";
export { isComputed, type OpContext, opPrograms } from "./ops/index.js";
export { isOptimizer, type OptimizerKind } from "./optimizers.js";
export * from "./parallel/index.js";
export { type Binary, broadcast, type Primitives, type Unary } from "./primitives.js";
export { ropeTables } from "./rope-tables.js";
export { ShapePrimitives, type Sized } from "./shape-primitives.js";
export { attentionScratch, type Rates, ShapeAlgebra } from "./shapes.js";
export { freeState, makeState, type NamedWeight, otherState, storedWeights, weightValues } from "./state.js";
export {
  applyUpdate,
  type HostBatch,
  makeOptimizer,
  type OptimizerState,
  putBatch,
  refreshWeights,
  type Update,
} from "./step.js";
export { type Degrees, layoutRefusal } from "./workers.js";
