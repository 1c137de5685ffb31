import { headLogits, headLoss } from "../head.js";
import { backwardPass, forwardPass, headContext } from "../model.js";
import { putBatch } from "../step.js";
import { numberOf, type ObjectiveProgram, weightSum } from "./types.js";

export type Divergence = "forward_kl" | "reverse_kl" | "js";

/** Log-softmax of `row` / temperature into `out`. */
function logSoftmax(row: Float32Array, temperature: number, out: Float64Array): void {
  let top = Number.NEGATIVE_INFINITY;
  for (let j = 0; j < row.length; j++) top = Math.max(top, row[j]!);
  let sum = 0;
  for (let j = 0; j < row.length; j++) {
    out[j] = (row[j]! - top) / temperature;
    sum += Math.exp(out[j]!);
  }
  const log = Math.log(sum);
  for (let j = 0; j < row.length; j++) out[j] = out[j]! - log;
}

export interface DistillSettings {
  readonly divergence: Divergence;
  readonly temperature: number;
  /** Share of the next-token loss. */
  readonly hard: number;
}

/**
 * (1 − hard) · T² · D(teacher, student at temperature T) + hard · cross-entropy of one row (Hinton et al. 2015), with the
 * student's logits turned into the gradient by `factor` where that is given. D: forward KL(teacher ‖ student), reverse
 * KL(student ‖ teacher), or the Jensen-Shannon divergence of both in equal parts (Agarwal et al. 2023).
 */
export function distillRow(
  student: Float32Array,
  teacher: Float32Array,
  target: number,
  { divergence, temperature, hard }: DistillSettings,
  factor: number | undefined,
  scratch: { readonly s: Float64Array; readonly t: Float64Array; readonly one: Float64Array },
): { readonly divergence: number; readonly hard: number } {
  const { s, t, one } = scratch;
  const n = student.length;
  logSoftmax(student, temperature, s);
  logSoftmax(teacher, temperature, t);
  logSoftmax(student, 1, one);
  let apart = 0;
  // Σ p_s · ∂D/∂p_s-like terms, for the gradients through the student's softmax.
  let mean = 0;
  for (let j = 0; j < n; j++) {
    const [ls, lt] = [s[j]!, t[j]!];
    if (divergence === "forward_kl") apart += Math.exp(lt) * (lt - ls);
    else if (divergence === "reverse_kl") {
      const part = Math.exp(ls) * (ls - lt);
      apart += part;
      mean += part;
    } else {
      const [ps, pt] = [Math.exp(ls), Math.exp(lt)];
      const middle = Math.log((ps + pt) / 2);
      apart += 0.5 * (pt * (lt - middle) + ps * (ls - middle));
      mean += 0.5 * ps * (ls - middle);
    }
  }
  const truth = -one[target]!;
  if (factor !== undefined) {
    // d(T² D)/d logit = T · (…): one temperature stays of the square.
    const soft = factor * (1 - hard) * temperature;
    const plain = factor * hard;
    for (let j = 0; j < n; j++) {
      const [ls, lt] = [s[j]!, t[j]!];
      const ps = Math.exp(ls);
      let d: number;
      if (divergence === "forward_kl") d = ps - Math.exp(lt);
      else if (divergence === "reverse_kl") d = ps * (ls - lt - mean);
      else d = ps * (0.5 * (ls - Math.log((ps + Math.exp(lt)) / 2)) - mean);
      student[j] = soft * d + plain * (Math.exp(one[j]!) - (j === target ? 1 : 0));
    }
  }
  return { divergence: temperature * temperature * apart, hard: truth };
}

/** Knowledge distillation: the teacher's logits are made chunk by chunk beside the student's. */
export const distill: ObjectiveProgram = {
  rows: () => 1,
  role: () => "teacher",
  total: weightSum,
  heldOut: "next token",
  micro({ algebra, policy, other, batch, recompute, scale, options }) {
    if (other === undefined) throw new Error("distillation has no teacher");
    const settings: DistillSettings = {
      divergence: (options.divergence?.value ?? "forward_kl") as Divergence,
      temperature: numberOf(options, "temperature", 1),
      hard: numberOf(options, "hardLabels", 0),
    };
    const there = putBatch(algebra, batch);
    const guide = forwardPass(algebra, other, there, undefined).hidden;
    const { hidden, saved } = forwardPass(algebra, policy, there, scale === undefined ? undefined : recompute);
    const teacher = headContext(algebra, other, there);
    const { context, head } = headContext(algebra, policy, there);
    const { vocab } = policy.graph;
    const sums = { divergence: 0, cross_entropy: 0 };
    const scratch = { s: new Float64Array(vocab), t: new Float64Array(vocab), one: new Float64Array(vocab) };
    const { losses, dx } = headLoss(
      context,
      head,
      hidden,
      vocab,
      (logits, first, rows) => {
        const wise = headLogits(teacher.context, teacher.head, algebra.rows(guide, first, rows));
        const [loss] = algebra.loop(
          [logits, wise],
          [[rows]],
          { elements: 4 * rows * vocab, exponentials: 5 * rows * vocab },
          ([s, t], [out]) => {
            for (let r = 0; r < rows; r++) {
              const weight = batch.weights[first + r]!;
              const row = s!.subarray(r * vocab, (r + 1) * vocab) as Float32Array;
              if (weight === 0) {
                row.fill(0);
                continue;
              }
              const guideRow = t!.subarray(r * vocab, (r + 1) * vocab) as Float32Array;
              const factor = scale === undefined ? undefined : weight * scale;
              const got = distillRow(row, guideRow, batch.targets[first + r]!, settings, factor, scratch);
              sums.divergence += weight * got.divergence;
              sums.cross_entropy += weight * got.hard;
              out![r] = weight * ((1 - settings.hard) * got.divergence + settings.hard * got.hard);
            }
          },
          [0],
        );
        algebra.free(wise);
        return loss!;
      },
      scale !== undefined,
    );
    algebra.free(guide);
    if (dx !== undefined) backwardPass(algebra, policy, there, recompute, saved, dx);
    const values = algebra.read(losses);
    algebra.free(losses);
    there.free();
    return { losses: values, sums };
  },
};
