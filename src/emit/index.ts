/** Emit targets: an explicit list, and `emit` by name. */
import { type Diagnostic, emitCodes, nearest, type Outcome } from "../diagnostics/index.js";
import type { Plan } from "../planner/plan.js";
import { withPrepared } from "./common/entry.js";
import { checkNames } from "./common/names.js";
import { batch } from "./targets/batch/index.js";
import { engine } from "./targets/engine.js";
import { hyperpodEks } from "./targets/hyperpod-eks.js";
import { hyperpodSlurm } from "./targets/hyperpod-slurm.js";
import { kubernetes } from "./targets/kubernetes.js";
import { recipe } from "./targets/recipe/index.js";
import { sagemaker } from "./targets/sagemaker/index.js";
import { slurm } from "./targets/slurm.js";
import type { EmitContext, EmittedFile, Emitter } from "./types.js";
import { typescript } from "./typescript/index.js";

export { type Input, stageInputs, withPrepared } from "./common/entry.js";
export { loweringOf, lowerings } from "./engines/index.js";
export { renderEngines } from "./matrix.js";
export type { EmitContext, EmittedFile, Emitter } from "./types.js";
export { type RequestName, validateRequest } from "./validate/index.js";

export const emitters: readonly Emitter[] = [
  sagemaker,
  hyperpodEks,
  hyperpodSlurm,
  recipe,
  batch,
  kubernetes,
  slurm,
  engine,
  typescript,
];

const insidePath = (path: string): boolean =>
  !path.startsWith("/") && path.split("/").every((part) => part !== "" && part !== "." && part !== "..");

/** Files of a target for a plan, or why there are none. Never throws for what a user wrote. */
export async function emit(
  target: string,
  given: Plan,
  context: EmitContext = { read: () => undefined },
): Promise<Outcome<readonly EmittedFile[]>> {
  const plan = context.prepared === undefined ? given : withPrepared(given, context.prepared);
  const emitter = emitters.find((e) => e.name === target);
  if (emitter === undefined) {
    const close = nearest(
      target,
      emitters.map((e) => e.name),
    );
    const hints = [
      ...(close === undefined ? [] : [`did you mean ${close}?`]),
      `targets: ${emitters.map((e) => e.name).join(", ")}`,
    ];
    return { diagnostics: [emitCodes.report("LLMP5007", undefined, { target: JSON.stringify(target) }, { hints })] };
  }
  const problems: Diagnostic[] = [];
  if (plan.outcome === "errors" || plan.outcome === "infeasible" || plan.stages.length === 0)
    problems.push(
      emitCodes.report(
        "LLMP5011",
        undefined,
        { outcome: plan.outcome },
        { hints: ["llmp plan says why, and what would make it fit"] },
      ),
    );
  problems.push(...checkNames(plan));
  if (problems.length > 0) return { diagnostics: problems };
  const outcome = await emitter.emit(plan, context);
  for (const file of outcome.value ?? []) if (!insidePath(file.path)) throw new Error(`emitted path ${file.path}`);
  return outcome;
}
