import { type ChunkLoss, headLogits, headLoss } from "../head.js";
import type { RankGroup } from "../parallel/types.js";
import { numberOf, type ObjectiveProgram, weightSum } from "./types.js";

export type Divergence = "forward_kl" | "reverse_kl" | "js";

export interface DistillSettings {
  readonly divergence: Divergence;
  readonly temperature: number;
  /** Share of the next-token loss. */
  readonly hard: number;
}

/** Sums over the ranks that have the columns of one row; alone, they stay as they are. */
export type Across = (x: Float64Array, op: "sum" | "max") => Float64Array;
const alone: Across = (x) => x;
const over =
  (group: RankGroup | undefined): Across =>
  (x, op) =>
    group === undefined || group.size === 1 ? x : Float64Array.from(group.allReduce(Float32Array.from(x), op));

/** Logits of some rows, of the columns from `first`. */
export interface Columns {
  readonly rows: number;
  readonly first: number;
  readonly across?: Across;
}

/**
 * (1 − hard) · T² · D(teacher, student at temperature T) + hard · cross-entropy of each row (Hinton et al. 2015), with the
 * student's logits turned into the gradient by `factors` where those are given. D: forward KL(teacher ‖ student), reverse
 * KL(student ‖ teacher), or the Jensen-Shannon divergence of both in equal parts (Agarwal et al. 2023). Exchanged are maxima
 * and sums of rows, never logits.
 */
export function distillRows(
  student: Float32Array,
  teacher: Float32Array,
  targets: ArrayLike<number>,
  { divergence, temperature, hard }: DistillSettings,
  factors: Float64Array | undefined,
  { rows, first, across = alone }: Columns,
): { readonly divergence: Float64Array; readonly hard: Float64Array } {
  const n = student.length / rows;
  const tops = new Float64Array(2 * rows).fill(Number.NEGATIVE_INFINITY);
  for (let r = 0; r < rows; r++)
    for (let j = r * n; j < (r + 1) * n; j++) {
      tops[r] = Math.max(tops[r]!, student[j]!);
      tops[rows + r] = Math.max(tops[rows + r]!, teacher[j]!);
    }
  const top = across(tops, "max");
  // Σ exp of the student's and the teacher's at the temperature, and of the student's as it is; the target's logit.
  const parts = new Float64Array(4 * rows);
  for (let r = 0; r < rows; r++) {
    const [topS, topT] = [top[r]!, top[rows + r]!];
    for (let j = r * n; j < (r + 1) * n; j++) {
      const x = student[j]! - topS;
      parts[r] = parts[r]! + Math.exp(x / temperature);
      parts[rows + r] = parts[rows + r]! + Math.exp((teacher[j]! - topT) / temperature);
      parts[2 * rows + r] = parts[2 * rows + r]! + Math.exp(x);
    }
    const at = targets[r]! - first;
    if (at >= 0 && at < n) parts[3 * rows + r] = student[r * n + at]! - topS;
  }
  const sums = across(parts, "sum");
  const logs = sums.map(Math.log);
  const logS = (r: number, j: number): number => (student[j]! - top[r]!) / temperature - logs[r]!;
  const logT = (r: number, j: number): number => (teacher[j]! - top[rows + r]!) / temperature - logs[rows + r]!;
  // The divergence, and Σ p_s · ∂D/∂p_s-like terms for the gradient through the student's softmax.
  const apart = new Float64Array(2 * rows);
  for (let r = 0; r < rows; r++)
    for (let j = r * n; j < (r + 1) * n; j++) {
      const [ls, lt] = [logS(r, j), logT(r, j)];
      const [ps, pt] = [Math.exp(ls), Math.exp(lt)];
      let mean = 0;
      let far: number;
      if (divergence === "forward_kl") far = pt * (lt - ls);
      else if (divergence === "reverse_kl") {
        far = ps * (ls - lt);
        mean = far;
      } else {
        const middle = Math.log((ps + pt) / 2);
        far = 0.5 * (pt * (lt - middle) + ps * (ls - middle));
        mean = 0.5 * ps * (ls - middle);
      }
      apart[r] = apart[r]! + far;
      apart[rows + r] = apart[rows + r]! + mean;
    }
  const all = across(apart, "sum");
  const result = { divergence: new Float64Array(rows), hard: new Float64Array(rows) };
  for (let r = 0; r < rows; r++) {
    result.divergence[r] = temperature * temperature * all[r]!;
    result.hard[r] = logs[2 * rows + r]! - sums[3 * rows + r]!;
    if (factors === undefined) continue;
    const mean = all[rows + r]!;
    // d(T² D)/d logit = T · (…): one temperature stays of the square.
    const soft = factors[r]! * (1 - hard) * temperature;
    const plain = factors[r]! * hard;
    const at = targets[r]! - first;
    for (let j = r * n; j < (r + 1) * n; j++) {
      const [ls, lt] = [logS(r, j), logT(r, j)];
      const ps = Math.exp(ls);
      let d: number;
      if (divergence === "forward_kl") d = ps - Math.exp(lt);
      else if (divergence === "reverse_kl") d = ps * (ls - lt - mean);
      else d = ps * (0.5 * (ls - Math.log((ps + Math.exp(lt)) / 2)) - mean);
      const one = Math.exp(student[j]! - top[r]!) / sums[2 * rows + r]!;
      student[j] = soft * d + plain * (one - (j - r * n === at ? 1 : 0));
    }
  }
  return result;
}

/** Knowledge distillation: the teacher's logits are made chunk by chunk beside the student's. */
export const distill: ObjectiveProgram = {
  rows: () => 1,
  role: () => "teacher",
  total: weightSum,
  heldOut: "next token",
  guide: (ending) => ({ ending }),
  loss({ context, head, hidden, vocab, guide, batch, scale, options }) {
    const teacher = guide?.ending;
    if (teacher === undefined) throw new Error("distillation has no teacher");
    const { algebra } = context;
    const settings: DistillSettings = {
      divergence: (options.divergence?.value ?? "forward_kl") as Divergence,
      temperature: numberOf(options, "temperature", 1),
      hard: numberOf(options, "hardLabels", 0),
    };
    const across = over(context.links?.tensor);
    const sums = { divergence: 0, cross_entropy: 0 };
    const chunkLoss: ChunkLoss<typeof hidden> = (logits, first, rows) => {
      const wise = headLogits(teacher.context, teacher.head, algebra.rows(teacher.hidden, first, rows));
      const elements = rows * algebra.shape(logits)[1]!;
      const [loss] = algebra.loop(
        [logits, wise],
        [[rows]],
        { elements: 4 * elements, exponentials: 5 * elements },
        ([s, t], [out]) => {
          const weights = batch.weights.subarray(first, first + rows);
          const factors = scale === undefined ? undefined : Float64Array.from(weights, (w) => w * scale);
          const place = { rows, first: context.firstColumn ?? 0, across };
          const targets = batch.targets.subarray(first, first + rows);
          const got = distillRows(s as Float32Array, t as Float32Array, targets, settings, factors, place);
          weights.forEach((weight, r) => {
            if (weight === 0) return;
            const [soft, truth] = [got.divergence[r]!, got.hard[r]!];
            sums.divergence += weight * soft;
            sums.cross_entropy += weight * truth;
            out![r] = weight * ((1 - settings.hard) * soft + settings.hard * truth);
          });
        },
        [0],
      );
      algebra.free(wise);
      return loss!;
    };
    const { losses, dx } = headLoss(context, head, hidden, vocab, chunkLoss, scale !== undefined);
    algebra.free(teacher.hidden);
    const values = algebra.read(losses);
    algebra.free(losses);
    return { losses: values, sums, dx };
  },
};
