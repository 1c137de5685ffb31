import type { StagePlan } from "../../../planner/plan.js";
import { formatBytes } from "../../../units/index.js";
import { type Html, html, raw, table } from "../text.js";

export function layoutSection(stage: StagePlan): Html {
  const { mesh, chunks, tensors } = stage.layout;
  const axes = mesh.map((m) => m.axis);
  return html`<h3>Shard layout</h3>${
    mesh.length === 0
      ? html`<p>One device: nothing is sharded.</p>`
      : html`<p>Mesh, slowest link first: ${mesh.map((m, i) => html`${i > 0 ? " × " : ""}<strong>${m.axis} ${m.size}</strong> <span class="dim">(${m.link})</span>`)}</p>`
  }${
    chunks.length > 1
      ? [
          table(
            "Pipeline chunks",
            ["chunk", "stage", "layers"],
            chunks.map((c, i) => [String(i), String(c.rank), `${c.first} – ${c.last}`]),
            [0, 1],
          ),
        ]
      : []
  }<details${raw(tensors.length <= 24 ? " open" : "")}><summary>${tensors.length} kinds of tensors</summary>${table(
    "Placement of every weight on every mesh axis",
    ["layer kind", "tensor", "shape", ...axes, "per rank"],
    tensors.map((t) => [
      t.kind,
      t.name,
      t.shape.join(" × "),
      ...axes.map((a) => t.placement[a] ?? "replicate"),
      formatBytes(t.bytes_per_rank),
    ]),
    [axes.length + 3],
  )}</details>`;
}
