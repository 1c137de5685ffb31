/** `--why` and `--layout`. */
import type { StagePlan } from "../../planner/plan.js";
import { formatBytes } from "../../units/index.js";
import type { Paint } from "./colour.js";

export function whyPage(s: StagePlan, why: string | true, paint: Paint): string {
  const wanted = s.decisions.filter((d) => why === true || d.what.toLowerCase().includes(why.toLowerCase()));
  const lines = [`train ${paint.bold(s.name)}`];
  if (wanted.length === 0) {
    lines.push(`  no decision is called so; there are ${s.decisions.map((d) => d.what).join(", ")}`);
  }
  for (const d of wanted) {
    lines.push(`  ${paint.bold(d.what)} = ${d.chose}${d.fixed ? paint.dim("  (fixed)") : ""}`, `    ${d.because}`);
    for (const f of d.figures) lines.push(paint.dim(`      ${f.name.padEnd(12)} ${f.value}`));
  }
  return lines.join("\n");
}

export function layoutPage(s: StagePlan, paint: Paint): string {
  const { mesh, chunks, tensors } = s.layout;
  const lines = [
    `train ${paint.bold(s.name)}`,
    `  Mesh, slowest link first: ${mesh.length === 0 ? "one device" : mesh.map((m) => `${m.axis} ${m.size} (${m.link})`).join(" × ")}`,
  ];
  if (chunks.length > 1) {
    lines.push("  Pipeline chunks");
    for (const [i, c] of chunks.entries())
      lines.push(
        `    chunk ${String(i).padStart(3)} on rank ${String(c.rank).padStart(3)}: layers ${c.first}–${c.last}`,
      );
  }
  const { states } = s.layout;
  if (states !== undefined)
    lines.push(
      `  Sharded beyond their weights: gradients ${states.gradients.join(", ") || "nowhere"}; optimizer state ${states.optimizer.join(", ") || "nowhere"}`,
    );
  const axes = [...new Set([...mesh.map((m) => m.axis), ...tensors.flatMap((t) => Object.keys(t.placement))])];
  const rows = [
    ["kind", "tensor", "shape", ...axes, "per rank"],
    ...tensors.map((t) => [
      t.kind,
      t.name,
      t.shape.join("×"),
      ...axes.map((a) => t.placement[a] ?? "replicate"),
      formatBytes(t.bytes_per_rank),
    ]),
  ];
  const widths = rows[0]!.map((_, c) => Math.max(...rows.map((r) => r[c]!.length)));
  for (const [i, r] of rows.entries()) {
    const line = `  ${r
      .map((cell, c) => cell.padEnd(widths[c]!))
      .join("  ")
      .trimEnd()}`;
    lines.push(i === 0 ? paint.dim(line) : line);
  }
  return lines.join("\n");
}
