/**
 * Objectives of the form Σ f(log-probabilities of the targets). Their gradient is the cross-entropy's with a weight for
 * each token, −∂f/∂log-probability, which is known once the log-probabilities are: the head runs twice, the stack once.
 */
import { headAt, headLoss } from "../head.js";
import { tokenLoss } from "../parallel/vocabulary.js";
import type { Ending, LossResult, LossRun, MicroResult, ObjectiveBatch } from "./types.js";

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

/** Log-probabilities of the targets that count; takes ownership of `hidden`. */
export function logProbsOf<T>(
  { context, head, hidden, vocab, there }: Ending<T>,
  batch: ObjectiveBatch,
  temperature: number,
): Float32Array {
  const { algebra } = context;
  const learned = batch.weights.map((w) => (w === 0 ? 0 : 1));
  const mask = algebra.floats(learned, [learned.length]);
  const loss = tokenLoss(context, there.targets, mask, undefined);
  const { losses } = headLoss(context, headAt(head, temperature), hidden, vocab, loss, false);
  const values = algebra.read(losses).map((l) => -l);
  algebra.free(losses);
  algebra.free(mask);
  return values;
}

/** @param weigh the objective's arithmetic, on positions whose `batch.weights` is not 0 */
export function weightedLoss<T>(
  run: LossRun<T>,
  temperature: number,
  weigh: (logProbs: LogProbs) => Weighed<MicroResult>,
): LossResult<T> {
  const { context, head, hidden, vocab, there, batch, scale, guide } = run;
  const { algebra } = context;
  const kept = scale === undefined ? undefined : algebra.share(hidden);
  const policy = logProbsOf(run, batch, temperature);
  const { weights, result } = weigh({ policy, other: guide?.logProbs ?? new Float32Array(policy.length) });
  if (kept === undefined) return { ...result, dx: undefined };
  const signed = algebra.floats(weights, [weights.length]);
  const loss = tokenLoss(context, there.targets, signed, scale);
  const { losses, dx } = headLoss(context, headAt(head, temperature), kept, vocab, loss, true);
  algebra.free(losses);
  algebra.free(signed);
  return { ...result, dx };
}
