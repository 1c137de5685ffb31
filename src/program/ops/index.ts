/** How each kind of op is computed, forward and backward. A new kind is one file and one line here. */
import type { Op, OpKind } from "../../model/graph.js";
import { attention } from "./attention.js";
import { collective } from "./collective.js";
import { dropout } from "./dropout.js";
import { embedding } from "./embedding.js";
import { linear } from "./linear.js";
import { combine, dispatch, groupedLinear, router } from "./moe.js";
import { norm } from "./norm.js";
import { activation, add, gatedActivation, scale, softcap } from "./pointwise.js";
import { rope } from "./rope.js";
import type { OpProgram } from "./types.js";

export { rotaryDim } from "./rope.js";
export type { OpContext, OpProgram } from "./types.js";

/** Ask `isComputed` whether an op can be trained here. */
export const opPrograms: Readonly<Partial<Record<OpKind, OpProgram>>> = {
  activation,
  add,
  attention,
  collective,
  combine,
  dispatch,
  dropout,
  embedding,
  gated_activation: gatedActivation,
  grouped_linear: groupedLinear,
  linear,
  norm,
  rope,
  router,
  scale,
  softcap,
};

/** Kinds without a program cannot be trained here; cross-entropy belongs to the head's own program. */
export const isComputed = ({ kind }: Pick<Op, "kind">): boolean =>
  kind === "cross_entropy" || opPrograms[kind] !== undefined;
