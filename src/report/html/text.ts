/** HTML from data: everything that comes from a plan is escaped here, once. */
const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

export const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (c) => entities[c] ?? c);

/** Markup that is already safe. */
export interface Html {
  readonly html: string;
}

export const raw = (html: string): Html => ({ html });

/** Tagged template: holes are escaped unless they are `Html`; arrays are joined. */
export function html(
  parts: TemplateStringsArray,
  ...holes: readonly (string | number | Html | readonly Html[] | undefined)[]
): Html {
  let out = parts[0] ?? "";
  holes.forEach((hole, i) => {
    if (hole === undefined) out += "";
    else if (typeof hole === "string" || typeof hole === "number") out += escapeHtml(String(hole));
    else if ("html" in hole) out += hole.html;
    else out += hole.map((h) => h.html).join("");
    out += parts[i + 1] ?? "";
  });
  return raw(out);
}

/** A table with a caption; numeric columns are right-aligned. Cells are text. */
export function table(
  caption: string,
  header: readonly string[],
  rows: readonly (readonly string[])[],
  numeric: readonly number[] = [],
): Html {
  const cls = (i: number): Html => raw(numeric.includes(i) ? ' class="num"' : "");
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${caption}"><table><caption>${caption}</caption><thead><tr>${header.map((h, i) => html`<th scope="col"${cls(i)}>${h}</th>`)}</tr></thead><tbody>${rows.map(
    (row) => html`<tr>${row.map((cell, i) => html`<td${cls(i)}>${cell}</td>`)}</tr>`,
  )}</tbody></table></div>`;
}

/** A chart with its data as a table behind a disclosure, for screen readers and copying. */
export function figure(title: string, note: string, svg: string, data?: Html): Html {
  const rows =
    data === undefined
      ? raw("")
      : html`<details><summary>Data<span class="sr"> of ${title}</span></summary>${data}</details>`;
  return html`<figure><figcaption><strong>${title}</strong> ${note}</figcaption><div class="chart">${raw(svg)}</div>${rows}</figure>`;
}
