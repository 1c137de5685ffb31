/** Answers drawn from a policy with a key-value cache, in whichever thread the policy is. */
import { Decoder, type ModelState } from "../../program/index.js";
import type { Backend, Handle } from "../backend/index.js";
import { uniform } from "../sample/index.js";

/** Rows to be answered. Each has random numbers of its own, so that whoever answers it draws the same. */
export interface Asked {
  readonly rows: readonly { readonly seed: number; readonly prompt: Int32Array }[];
  /** Tokens of a prompt and its answer. */
  readonly room: number;
  /** Longest answer. */
  readonly longest: number;
  readonly temperature: number;
  /** Token that ends an answer. */
  readonly end: number | undefined;
  /** Rows that are answered together at most, so that the caches stay below the peak of training. */
  readonly together: number;
}

/** A token by its probability at a temperature. */
export function drawToken(logits: Float32Array, temperature: number, u: number): number {
  let top = Number.NEGATIVE_INFINITY;
  for (const l of logits) top = Math.max(top, l);
  let total = 0;
  for (const l of logits) total += Math.exp((l - top) / temperature);
  let left = u * total;
  for (let i = 0; i < logits.length; i++) {
    left -= Math.exp((logits[i]! - top) / temperature);
    if (left < 0) return i;
  }
  return logits.length - 1;
}

/** Tokens of each answer. Prompts of one length are answered together. */
export function answersOf(backend: Backend, policy: ModelState<Handle>, asked: Asked): number[][] {
  const byLength = new Map<number, number[]>();
  for (const [i, { prompt }] of asked.rows.entries())
    byLength.set(prompt.length, [...(byLength.get(prompt.length) ?? []), i]);
  const answers: number[][] = asked.rows.map(() => []);
  for (const list of byLength.values())
    for (let first = 0; first < list.length; first += asked.together) {
      const chosen = list.slice(first, first + asked.together);
      const tokens = decode(
        backend,
        policy,
        asked,
        chosen.map((i) => asked.rows[i]!),
      );
      for (const [k, i] of chosen.entries()) answers[i] = tokens[k]!;
    }
  return answers;
}

function decode(
  { algebra }: Backend,
  policy: ModelState<Handle>,
  { room, longest, temperature, end }: Asked,
  rows: Asked["rows"],
): number[][] {
  const decoder = new Decoder(algebra, policy, rows.length);
  const random = rows.map(({ seed }) => uniform(seed));
  const most = Math.min(longest, room - rows[0]!.prompt.length);
  const out: number[][] = rows.map(() => []);
  const done = rows.map(() => false);
  const { vocab } = policy.graph;
  let next = Int32Array.from(rows.flatMap(({ prompt }) => [...prompt]));
  for (let n = 0; n < most && done.includes(false); n++) {
    const logits = decoder.step(next);
    const values = algebra.read(logits);
    algebra.free(logits);
    next = Int32Array.from(rows, (_, i) => {
      if (done[i]) return 0;
      const token = drawToken(values.subarray(i * vocab, (i + 1) * vocab), temperature, random[i]!());
      out[i]!.push(token);
      done[i] = token === end;
      return token;
    });
  }
  decoder.free();
  return out;
}
