import type { Hover } from "vscode-languageserver";
import { precisions } from "../../catalog/index.js";
import { suffixScales } from "../../checker/index.js";
import type { NumberExpr } from "../../parser/ast.js";
import { formatCount, formatNumber } from "../../units/index.js";
import type { Findings } from "../analysis.js";
import type { Document } from "../document.js";
import { type Declaration, declarationOf, type Project } from "../project.js";
import type { Owner, Site } from "../sites.js";
import type { AnalysisReply } from "../types.js";
import { acceleratorLine, instances } from "./instances.js";
import { planMarkdown } from "./plan-words.js";
import { fieldMarkdown } from "./words.js";

export function hover(
  document: Document,
  offset: number,
  project: Project,
  findings: Findings | undefined,
): Hover | undefined {
  const found = document.siteAt(offset);
  if (found === undefined) return undefined;
  const text = textOf(found.site, document, project, findings);
  return text === undefined || text === ""
    ? undefined
    : { contents: { kind: "markdown", value: text }, range: document.range(found.start, found.end) };
}

function textOf(site: Site, document: Document, project: Project, findings: Findings | undefined): string | undefined {
  const { meaning } = site;
  switch (meaning.kind) {
    case "keyword": {
      const { item } = meaning;
      const stage =
        item.kind === "block" && item.keyword.text === "train" ? planOf(item.name?.text, findings) : undefined;
      const doc =
        meaning.spec === undefined ? undefined : `${meaning.spec.doc}\n\n\`\`\`llmp\n${meaning.spec.example}\n\`\`\``;
      return join(stage, doc);
    }
    case "declaration": {
      const d = declarationOf(site, project.scope(document));
      return d === undefined ? undefined : declarationText(d, project, document, findings);
    }
    case "name": {
      const d = declarationOf(site, project.scope(document));
      if (d !== undefined) return declarationText(d, project, document, findings);
      if (meaning.of.includes("instance")) return instances().get(site.text)?.text;
      if (meaning.of.includes("accelerator")) return acceleratorLine(site.text);
      if (meaning.of.includes("precision")) {
        const p = precisions.find((one) => one.name === site.text);
        if (p !== undefined)
          return `**${p.name}** ${p.doc}\n\n${Object.entries(p.values)
            .map(([k, v]) => `- \`${k} = ${v}\``)
            .join("\n")}`;
      }
      return undefined;
    }
    case "key":
      return join(
        `**${site.text}** ${fieldMarkdown(meaning.field)}`,
        resolved(site.owner, findings),
        decided(site.owner, findings),
      );
    case "auto":
      return join("**auto** the planner decides", decided(site.owner, findings));
    case "word":
      return join(`**${meaning.value.name}** ${meaning.value.doc}`, `*${meaning.field.name}*: ${meaning.field.doc}`);
    case "variant":
      return join(
        `**${meaning.variant.name}** ${meaning.variant.doc}`,
        meaning.variant.fields
          .map((f) => `- \`${f.name}\` ${f.doc}${f.default === undefined ? "" : ` (\`${f.default}\`)`}`)
          .join("\n"),
      );
    case "number":
    case "unit":
      return numberText(meaning.expr);
    case "type":
      return meaning.doc;
    case "property": {
      const line = lines(findings?.checked).find((l) => l.path?.endsWith(` ${meaning.of}.${meaning.key}`) === true);
      return line === undefined ? undefined : `\`${meaning.of}.${line.text}\``;
    }
    default:
      return undefined;
  }
}

const join = (...parts: readonly (string | undefined)[]): string | undefined => {
  const all = parts.filter((p) => p !== undefined && p !== "");
  return all.length === 0 ? undefined : all.join("\n\n---\n\n");
};

const lines = (checked: AnalysisReply | undefined) => checked?.settings ?? [];

/** The block as it is after inheritance and defaults. */
function declarationText(
  d: Declaration,
  project: Project,
  document: Document,
  findings: Findings | undefined,
): string | undefined {
  const written = d.document.text.slice(d.base + d.item.span.start, d.base + d.item.span.end);
  const place =
    d.document === document
      ? ""
      : ` of ${project.isBundled(d.document) ? "std/" : ""}${d.document.path.replace(/^.*[\\/]/, "")}`;
  const params = d.kind === "model" ? findings?.checked.parameters?.[d.name] : undefined;
  const head = `**${d.kind} ${d.name}**${place}${params === undefined ? "" : ` · ${formatCount(params)} parameters (${formatNumber(params, 16)})`}`;
  const plan = d.kind === "train" ? planOf(d.name, findings) : undefined;
  const all = lines(findings?.checked);
  const from = all.findIndex((l) => l.depth === 0 && l.path === `${d.kind} ${d.name}`);
  let whole: string | undefined;
  if (from >= 0) {
    const end = all[from]?.text.endsWith("{") === true ? all.findIndex((l, i) => i > from && l.depth === 0) : from;
    whole = all
      .slice(from, end + 1)
      .map((l) => `${"  ".repeat(l.depth)}${l.text}${l.from === undefined || l.from === "file" ? "" : `  # ${l.from}`}`)
      .join("\n");
  }
  const code = `\`\`\`llmp\n${written}\n\`\`\``;
  return join(
    head,
    plan,
    code,
    d.kind === "train" || whole === undefined || d.document !== document
      ? undefined
      : `resolved:\n\n\`\`\`llmp\n${whole}\n\`\`\``,
  );
}

function planOf(name: string | undefined, findings: Findings | undefined): string | undefined {
  const plan = findings?.planned?.plan;
  const stage = plan?.stages.find((s) => s.name === name);
  return plan === undefined || stage === undefined ? undefined : planMarkdown(plan, stage, findings?.current === true);
}

const camelless = (path: readonly string[]): string => path.join(".");

function resolved(owner: Owner | undefined, findings: Findings | undefined): string | undefined {
  if (owner === undefined) return undefined;
  const line = lines(findings?.checked).find((l) => l.path === `${owner.kind} ${owner.name}.${camelless(owner.path)}`);
  if (line === undefined || line.text.endsWith("{")) return undefined;
  return `resolved: \`${line.text}\`${line.from === undefined ? "" : ` *(${line.from})*`}`;
}

/** What the planner chose for this key, and why. */
function decided(owner: Owner | undefined, findings: Findings | undefined): string | undefined {
  const plan = findings?.planned?.plan;
  if (owner === undefined || plan === undefined) return undefined;
  const what = owner.kind === "cluster" ? `cluster.${camelless(owner.path)}` : camelless(owner.path);
  const texts = plan.stages
    .filter((s) =>
      owner.kind === "train" ? s.name === owner.name : owner.kind === "cluster" && s.cluster.name === owner.name,
    )
    .flatMap((s) => s.decisions.filter((d) => !d.fixed && (d.what === what || d.what.startsWith(`${what}.`))))
    .map((d) => `- \`${d.what}\` **${d.chose}**: ${d.because}`);
  return texts.length === 0 ? undefined : `planned:\n\n${[...new Set(texts)].join("\n")}`;
}

function numberText(expr: NumberExpr): string {
  const scale = suffixScales.get(expr.suffix?.text ?? "");
  if (scale === undefined) return "";
  return `${formatNumber(expr.value * scale, 16)}${expr.unit === undefined ? "" : ` ${expr.unit.text}`}`;
}
