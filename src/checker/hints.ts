import { type Details, nearest } from "../diagnostics/index.js";
import type { Span } from "../text/index.js";

/** "did you mean", with the edit that an editor may apply; else the few that are known. */
export function nearestHint(word: string, known: Iterable<string>, span: Span): Details {
  const all = [...known];
  const guess = nearest(word, all);
  if (guess !== undefined) {
    return {
      hints: [`did you mean \`${guess}\`?`],
      fixes: [{ title: `Change to \`${guess}\``, edits: [{ span, text: guess }], safe: false }],
    };
  }
  if (all.length === 0) return {};
  const shown = all.slice(0, 12);
  return { hints: [`known: ${shown.join(", ")}${all.length > shown.length ? ", …" : ""}`] };
}
