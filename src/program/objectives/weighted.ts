/**
 * Objectives of the form Σ f(log-probabilities of the targets). Their gradient is the cross-entropy's with a weight for
 * each token, −∂f/∂log-probability, which is known once the log-probabilities are: the head runs twice, the stack once.
 */
import { headAt, headLoss, nextToken } from "../head.js";
import { backwardPass, forwardPass, headContext, microBatchStep } from "../model.js";
import { putBatch } from "../step.js";
import type { MicroRun } from "./types.js";

export interface LogProbs {
  readonly policy: Float32Array;
  /** Zeros where there is no other model. */
  readonly other: Float32Array;
}

export interface Weighed<R> {
  /** −∂loss/∂log-probability of each target. */
  readonly weights: Float32Array;
  readonly result: R;
}

/** @param weigh the objective's arithmetic, on positions whose `batch.weights` is not 0 */
export function weightedStep<T, R>(
  { algebra, policy, other, batch, recompute, scale }: MicroRun<T>,
  temperature: number,
  weigh: (logProbs: LogProbs) => Weighed<R>,
): R {
  const learned = batch.weights.map((w) => (w === 0 ? 0 : 1));
  const there = putBatch(algebra, { ...batch, weights: learned });
  const read = (losses: T): Float32Array => {
    const values = algebra.read(losses).map((loss) => -loss);
    algebra.free(losses);
    return values;
  };
  const others =
    other === undefined
      ? new Float32Array(learned.length)
      : read(microBatchStep(algebra, other, there, [], undefined, temperature));
  const { hidden, saved } = forwardPass(algebra, policy, there, scale === undefined ? undefined : recompute);
  const { context, head: plain } = headContext(algebra, policy, there);
  const head = headAt(plain, temperature);
  const { vocab } = policy.graph;
  const kept = scale === undefined ? undefined : algebra.share(hidden);
  const plainLoss = nextToken(context, there.targets, there.weights, undefined);
  const { losses } = headLoss(context, head, hidden, vocab, plainLoss, false);
  const { weights, result } = weigh({ policy: read(losses), other: others });
  if (kept !== undefined && scale !== undefined) {
    const signed = algebra.floats(weights, [weights.length]);
    const loss = nextToken(context, there.targets, signed, scale);
    const { losses: again, dx } = headLoss(context, head, kept, vocab, loss, true);
    algebra.free(again);
    algebra.free(signed);
    backwardPass(algebra, policy, there, recompute, saved, dx!);
  }
  there.free();
  return result;
}
