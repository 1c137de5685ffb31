import type { RewardFunction } from "./types.js";

/**
 * The final answer of a text, by the markers in use: `<answer>…</answer>` (R1), the last `\boxed{…}` (MATH), what
 * follows the last `####` (GSM8K); else the whole text, after its thoughts.
 */
export function finalAnswer(text: string): string {
  const thought = text.lastIndexOf("</think>");
  const after = thought < 0 ? text : text.slice(thought + "</think>".length);
  const tag = after.lastIndexOf("<answer>");
  if (tag >= 0) {
    const end = after.indexOf("</answer>", tag);
    return after.slice(tag + 8, end < 0 ? undefined : end).trim();
  }
  const box = after.lastIndexOf("\\boxed{");
  if (box >= 0) {
    let depth = 1;
    for (let i = box + 7; i < after.length; i++) {
      if (after[i] === "{") depth++;
      else if (after[i] === "}" && --depth === 0) return after.slice(box + 7, i).trim();
    }
  }
  const hashes = after.lastIndexOf("####");
  return (hashes >= 0 ? after.slice(hashes + 4) : after).trim();
}

/** `1,234.50` → 1234.5, `3/4` → 0.75, `$5` and `50%` as 5 and 50. */
function numberOf(text: string): number | undefined {
  const plain = text
    .replace(/^\$/, "")
    .replace(/%$/, "")
    .replace(/(\d),(?=\d{3}\b)/g, "$1");
  const fraction = /^(-?\d+)\s*\/\s*(\d+)$/.exec(plain);
  if (fraction !== null) return Number(fraction[1]) / Number(fraction[2]);
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(plain) ? Number(plain) : undefined;
}

/** Equal as numbers where both are, else as text without case, outer space and a last full stop. */
export function sameAnswer(a: string, b: string): boolean {
  const tidy = (text: string) => text.trim().replace(/\.$/, "").replace(/\s+/g, " ").toLowerCase();
  const [x, y] = [numberOf(tidy(a)), numberOf(tidy(b))];
  if (x !== undefined && y !== undefined && Number.isFinite(x) && Number.isFinite(y))
    return Math.abs(x - y) <= 1e-9 * Math.max(1, Math.abs(x), Math.abs(y));
  return tidy(a) === tidy(b);
}

export const exactAnswer: RewardFunction = async (inputs) =>
  inputs.map(({ completion, answer }) => ({ value: sameAnswer(finalAnswer(completion), finalAnswer(answer)) ? 1 : 0 }));
