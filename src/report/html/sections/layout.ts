/** Where every tensor lives: the mesh on its machines, and each weight as it is cut over the axes. */
import type { StagePlan } from "../../../planner/plan.js";
import { formatBytes } from "../../../units/index.js";
import { palette } from "../../svg/plot.js";
import { type Html, html, raw, table } from "../text.js";

type Tensor = StagePlan["layout"]["tensors"][number];

export function layoutSection(stage: StagePlan): Html {
  const { mesh, chunks, tensors } = stage.layout;
  const axes = mesh.map((m) => m.axis);
  const sizes = new Map(mesh.map((m) => [m.axis, m.size]));
  return html`<h3>Shard layout</h3>${
    mesh.length === 0
      ? html`<p>One device: nothing is sharded.</p>`
      : html`<p>Mesh, slowest link first: ${mesh.map((m, i) => html`${i > 0 ? " × " : ""}<strong>${m.axis} ${m.size}</strong> <span class="dim">(${m.link})</span>`)}</p>${meshPicture(stage)}`
  }${
    chunks.length > 1
      ? [
          html`<details><summary>${chunks.length} pipeline chunks</summary>${table(
            "Pipeline chunks",
            ["chunk", "stage", "layers"],
            chunks.map((c, i) => [String(i), String(c.rank), `${c.first} – ${c.last}`]),
            [0, 1],
          )}</details>`,
        ]
      : []
  }<details${raw(tensors.length <= 24 ? " open" : "")}><summary>${tensors.length} kinds of tensors</summary><div class="scroll" tabindex="0" role="region" aria-label="Placement of every weight"><table class="tensors"><caption>Placement of every weight on every mesh axis; the picture shows one rank's share</caption><thead><tr><th scope="col">tensor</th><th scope="col">shape</th><td></td>${axes.map((a) => html`<th scope="col">${a}</th>`)}<th scope="col" class="num">per rank</th></tr></thead><tbody>${groups(
    tensors,
  ).map(
    ([kind, list]) =>
      html`<tr class="group"><th scope="rowgroup" colspan="${axes.length + 4}">${kind}${prefixOf(list) === "" ? "" : html` <code>${prefixOf(list)}…</code>`}</th></tr>${list.map(
        (t) =>
          html`<tr><th scope="row"><code>${t.name.slice(prefixOf(list).length)}</code></th><td class="shape">${t.shape.join(" × ")}</td><td>${share(t, sizes)}</td>${axes.map((a) => html`<td class="${(t.placement[a] ?? "replicate") === "replicate" ? "dim" : ""}">${t.placement[a] ?? "replicate"}</td>`)}<td class="num">${formatBytes(t.bytes_per_rank)}</td></tr>`,
      )}`,
  )}</tbody></table></div></details>`;
}

/** What all names of a kind of layer begin with, up to a point. */
function prefixOf(list: readonly Tensor[]): string {
  const [first] = list;
  if (first === undefined || list.length < 2) return "";
  let prefix = first.name.slice(0, first.name.lastIndexOf(".") + 1);
  while (prefix !== "" && !list.every((t) => t.name.startsWith(prefix)))
    prefix = prefix.slice(0, prefix.lastIndexOf(".", prefix.length - 2) + 1);
  return prefix;
}

function groups(tensors: readonly Tensor[]): readonly (readonly [string, readonly Tensor[]])[] {
  const map = new Map<string, Tensor[]>();
  for (const t of tensors) map.set(t.kind, [...(map.get(t.kind) ?? []), t]);
  return [...map];
}

/** The matrix as a box, the part that the first rank holds filled. */
function share(t: Tensor, sizes: ReadonlyMap<string, number>): Html {
  const parts = [1, 1];
  for (const [axis, placement] of Object.entries(t.placement)) {
    const dim = /^shard\((\d+)\)$/.exec(placement)?.[1];
    if (dim === undefined) continue;
    const at = t.shape.length > 1 ? Math.max(0, Number(dim) - (t.shape.length - 2)) : 0;
    parts[at] = (parts[at] ?? 1) * (sizes.get(axis) ?? 1);
  }
  const [rows = 1, columns = 1] = parts;
  const [w, h] = t.shape.length > 1 ? [30, 22] : [6, 22];
  const grid: Html[] = [];
  const step = (n: number): number => Math.max(1, Math.ceil(n / 8));
  for (let r = step(rows); r < rows; r += step(rows)) grid.push(html`<path d="M0 ${(h * r) / rows}H${w}"/>`);
  for (let c = step(columns); c < columns; c += step(columns))
    grid.push(html`<path d="M${(w * c) / columns} 0V${h}"/>`);
  return html`<svg class="share" width="${w + 2}" height="${h + 2}" viewBox="-1 -1 ${w + 2} ${h + 2}" aria-hidden="true"><rect width="${w / columns}" height="${Math.max(1.5, h / rows)}" fill="${palette[4]}"/>${grid}<rect width="${w}" height="${h}" fill="none"/></svg>`;
}

const maxNodes = 64;

/** Machines as boxes of devices, coloured by pipeline stage (else by the slowest axis); hover names a device's place. */
function meshPicture(stage: StagePlan): Html {
  const { mesh } = stage.layout;
  const { count, accelerators } = stage.cluster;
  const per = Math.max(1, Math.round(accelerators / count));
  const nodes = Math.min(count, maxNodes);
  const colour = mesh.find((m) => m.axis === "pipeline") ?? mesh[0];
  if (colour === undefined || mesh.reduce((n, m) => n * m.size, 1) !== accelerators) return raw("");
  const cell = 12;
  const gap = 2;
  const wide = per > 4 ? Math.ceil(per / 2) : per;
  const high = Math.ceil(per / wide);
  const boxW = wide * (cell + gap) + 8;
  const boxH = high * (cell + gap) + 8;
  const columns = Math.max(1, Math.min(nodes, Math.floor(860 / (boxW + 6))));
  const rows = Math.ceil(nodes / columns);
  const place = (device: number): readonly (readonly [string, number])[] => {
    let rest = device;
    return [...mesh]
      .reverse()
      .map(({ axis, size }) => {
        const at = rest % size;
        rest = Math.floor(rest / size);
        return [axis, at] as const;
      })
      .reverse();
  };
  const boxes = Array.from({ length: nodes }, (_, node) => {
    const [x, y] = [(node % columns) * (boxW + 6), Math.floor(node / columns) * (boxH + 6)];
    const cells = Array.from({ length: per }, (_unused, i) => {
      const at = place(node * per + i);
      const stageAt = at.find(([axis]) => axis === colour.axis)?.[1] ?? 0;
      const where = at.map(([axis, n]) => `${axis} ${n}`).join(" · ");
      return html`<rect x="${4 + (i % wide) * (cell + gap)}" y="${4 + Math.floor(i / wide) * (cell + gap)}" width="${cell}" height="${cell}" rx="2" fill="${shade(stageAt, colour.size)}"><title>node ${node}, device ${i}
${where}</title></rect>`;
    });
    return html`<g transform="translate(${x + 1} ${y + 1})"><rect class="node" width="${boxW - gap}" height="${boxH - gap}" rx="4"/>${cells}</g>`;
  });
  const [w, h] = [columns * (boxW + 6), rows * (boxH + 6)];
  const label = `${count} machines of ${per} devices, coloured by ${colour.axis}`;
  return html`<figure><figcaption><strong>Mesh on machines</strong> ${label}${nodes < count ? `; the first ${nodes} are drawn` : ""}.</figcaption><div class="chart"><svg role="img" aria-label="${label}" class="mesh" width="${w}" height="${h}" viewBox="0 0 ${w} ${h}">${boxes}</svg></div></figure>`;
}

/** A hue for each stage, in order, dark enough for both backgrounds. */
const shade = (at: number, of: number): string =>
  `hsl(${Math.round(205 + (of <= 1 ? 0 : (at / of) * 300)) % 360} 60% 48%)`;
