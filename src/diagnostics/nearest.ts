import { distance } from "fastest-levenshtein";

/**
 * The known name that a misspelt one most likely means. Three rules, as in Gleam's compiler: a single candidate that
 * differs only in case wins; else the smallest edit distance within a third of the word's length (at least 1, with a
 * bonus for one containing the other); else none.
 */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  const lower = word.toLowerCase();
  let best: string | undefined;
  let bestScore = Number.POSITIVE_INFINITY;
  for (const candidate of known) {
    const other = candidate.toLowerCase();
    if (other === lower) return candidate;
    if (other.replace(/[_\-.]/g, "") === lower.replace(/[_\-.]/g, "")) return candidate;
    const contains = other.length > 3 && lower.length > 3 && (other.includes(lower) || lower.includes(other));
    const score =
      (swapped(lower, other) ? 1 : distance(lower, other)) - (contains ? Math.abs(other.length - lower.length) : 0);
    const limit = Math.max(1, Math.floor(Math.max(word.length, candidate.length) / 3));
    if (score <= limit && score < bestScore) {
      best = candidate;
      bestScore = score;
    }
  }
  return best;
}

/** Two neighbouring letters the wrong way round, the commonest slip, count as one edit. */
function swapped(a: string, b: string): boolean {
  if (a.length !== b.length) return false;
  let i = 0;
  while (i < a.length && a[i] === b[i]) i++;
  return i + 1 < a.length && a[i] === b[i + 1] && a[i + 1] === b[i] && a.slice(i + 2) === b.slice(i + 2);
}
