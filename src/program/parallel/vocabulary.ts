import { type ChunkLoss, nextToken } from "../head.js";
import type { OpContext } from "../ops/index.js";

/** The next token's cross-entropy, wherever the columns of the logits are. */
export const tokenLoss = <T>(context: OpContext<T>, targets: T, weights: T, scale: number | undefined): ChunkLoss<T> =>
  context.firstColumn === undefined
    ? nextToken(context, targets, weights, scale)
    : vocabularyLoss(context, targets, weights, scale, context.firstColumn);

/**
 * The next token's cross-entropy where each rank of the tensor axis has some columns of the logits (Megatron-LM's vocabulary
 * parallel loss): maxima, sums and targets are exchanged, never logits.
 * @param firstColumn of this rank
 */
function vocabularyLoss<T>(
  { algebra, links }: OpContext<T>,
  targets: T,
  weights: T,
  scale: number | undefined,
  firstColumn: number,
): ChunkLoss<T> {
  return (logits, first, rows) => {
    const chunkTargets = algebra.rows(targets, first, rows);
    const chunkWeights = algebra.rows(weights, first, rows);
    const elements = algebra.shape(logits).reduce((a, b) => a * b, 1);
    const [losses] = algebra.loop(
      [logits, chunkTargets, chunkWeights],
      [[rows]],
      { elements, exponentials: elements },
      ([x, ids, weight], [out]) => {
        const width = elements / rows;
        const own = new Float32Array(rows).fill(Number.NEGATIVE_INFINITY);
        for (let i = 0; i < elements; i++) own[Math.floor(i / width)] = Math.max(own[Math.floor(i / width)]!, x![i]!);
        const top = links!.tensor.allReduce(own, "max");
        const parts = new Float32Array(2 * rows);
        for (let r = 0; r < rows; r++) {
          let sum = 0;
          for (let j = 0; j < width; j++) sum += Math.exp(x![r * width + j]! - top[r]!);
          parts[r] = sum;
          const at = ids![r]! - firstColumn;
          if (at >= 0 && at < width) parts[rows + r] = x![r * width + at]! - top[r]!;
        }
        const sums = links!.tensor.allReduce(parts);
        for (let r = 0; r < rows; r++) {
          const w = weight![r]!;
          out![r] = w * (Math.log(sums[r]!) - sums[rows + r]!);
          if (scale === undefined) continue;
          const at = ids![r]! - firstColumn;
          for (let j = 0; j < width; j++) {
            const p = Math.exp(x![r * width + j]! - top[r]!) / sums[r]!;
            x![r * width + j] = (p - (j === at ? 1 : 0)) * w * scale;
          }
        }
      },
      scale === undefined ? [] : [0],
    );
    algebra.free(chunkTargets);
    algebra.free(chunkWeights);
    return losses!;
  };
}
