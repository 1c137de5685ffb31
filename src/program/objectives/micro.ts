import { auxScaleOf, balanceOf } from "../balance.js";
import { backwardPass, forwardPass, headContext, type ModelState } from "../model.js";
import { putBatch } from "../step.js";
import type { Ending, MicroResult, MicroRun, ObjectiveProgram } from "./types.js";

/** One micro-batch on one device: the frozen model's pass, the policy's, the loss, and the way back. */
export function runMicro<T>(program: ObjectiveProgram, run: MicroRun<T>): MicroResult {
  const { algebra, policy, other, batch, recompute, scale, options } = run;
  const there = putBatch(algebra, batch);
  const ending = (state: ModelState<T>, hidden: T): Ending<T> => ({
    ...headContext(algebra, state, there),
    hidden,
    there,
    vocab: state.graph.vocab,
  });
  const guide =
    other === undefined
      ? undefined
      : program.guide?.(ending(other, forwardPass(algebra, other, there, undefined).hidden), batch, options);
  const { routing } = policy;
  const weight = batch.weights.reduce((a, b) => a + b, 0);
  const balances = routing !== undefined && program.balances === true;
  if (balances) routing.auxScale = auxScaleOf(policy.graph, (scale ?? 0) * weight);
  const { hidden, saved } = forwardPass(algebra, policy, there, scale === undefined ? undefined : recompute);
  const { dx, ...result } = program.loss({ ...ending(policy, hidden), guide, batch, scale, options });
  if (dx !== undefined) backwardPass(algebra, policy, there, recompute, saved, dx);
  if (balances) routing.auxScale = 0;
  there.free();
  if (!balances) return result;
  const sums = { ...result.sums };
  for (const [name, value] of Object.entries(balanceOf(routing.layers.values()))) sums[name] = value * weight;
  return { ...result, sums };
}
