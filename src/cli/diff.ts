/** A unified diff of lines, by the longest common subsequence within the part that differs. */
import { painter } from "../report/terminal/colour.js";

export function lineDiff(path: string, before: string, after: string, color: boolean): string {
  const paint = painter(color);
  const [a, b] = [before.split("\n"), after.split("\n")];
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
  const [x, y] = [a.slice(head, a.length - tail), b.slice(head, b.length - tail)];
  const context = 3;
  const from = Math.max(0, head - context);
  const lead = a.slice(from, head).map((l) => ` ${l}`);
  const trail = a.slice(a.length - tail, a.length - tail + context).map((l) => ` ${l}`);
  const changes = script(x, y).map((l) => (l.startsWith("-") ? paint.red(l) : l.startsWith("+") ? paint.green(l) : l));
  const hunk = `@@ -${from + 1},${lead.length + x.length + trail.length} +${from + 1},${lead.length + y.length + trail.length} @@`;
  return `${[`--- ${path}`, `+++ ${path}`, paint.cyan(hunk), ...lead, ...changes, ...trail].join("\n")}\n`;
}

function script(x: readonly string[], y: readonly string[]): string[] {
  // Quadratic in what differs; beyond this, all out and all in.
  if (x.length * y.length > 4_000_000) return [...x.map((l) => `-${l}`), ...y.map((l) => `+${l}`)];
  const wide = y.length + 1;
  const length = new Uint32Array((x.length + 1) * wide);
  for (let i = x.length - 1; i >= 0; i--)
    for (let j = y.length - 1; j >= 0; j--)
      length[i * wide + j] =
        x[i] === y[j]
          ? (length[(i + 1) * wide + j + 1] ?? 0) + 1
          : Math.max(length[(i + 1) * wide + j] ?? 0, length[i * wide + j + 1] ?? 0);
  const out: string[] = [];
  let [i, j] = [0, 0];
  while (i < x.length || j < y.length) {
    if (i < x.length && j < y.length && x[i] === y[j]) {
      out.push(` ${x[i]}`);
      i++;
      j++;
    } else if (j >= y.length || (i < x.length && (length[(i + 1) * wide + j] ?? 0) >= (length[i * wide + j + 1] ?? 0)))
      out.push(`-${x[i++]}`);
    else out.push(`+${y[j++]}`);
  }
  return out;
}
