/** A pipeline as lines: every value after imports, inheritance, params and defaults, with where it came from. */
import type { Span } from "../text/index.js";
import type { Origin, Pipeline } from "./pipeline.js";

export interface SettingLine {
  readonly depth: number;
  readonly text: string;
  /** `train base.parallel.tensor`; absent for closing braces. */
  readonly path?: string;
  readonly from?: Origin;
  readonly span?: Span;
}

interface Originated {
  readonly value: unknown;
  readonly from: Origin;
  readonly span?: Span;
}

const isKnown = (v: unknown): v is Originated =>
  typeof v === "object" && v !== null && "from" in v && "value" in v && typeof (v as Originated).from === "string";

export function settingLines(pipeline: Pipeline): readonly SettingLine[] {
  const lines: SettingLine[] = [];
  const origin = (known: Originated) => ({
    from: known.from,
    ...(known.from === "default" || known.span === undefined ? {} : { span: known.span }),
  });
  const body = (depth: number, at: string, object: object): void => {
    for (const [key, value] of Object.entries(object)) {
      if (key === "span" || key === "name" || value === undefined) continue;
      entry(depth, `${at}.${snake(key)}`, snake(key), value);
    }
  };
  const entry = (depth: number, path: string, key: string, given: unknown): void => {
    const value = isKnown(given) ? given.value : given;
    const from = isKnown(given) ? origin(given) : {};
    const shown = plain(value);
    if (shown !== undefined) lines.push({ depth, text: `${key} = ${shown}`, path, ...from });
    else {
      lines.push({ depth, text: `${key} = {`, path, ...from });
      body(depth + 1, path, value as object);
      lines.push({ depth, text: "}" });
    }
  };
  const blocks: readonly (readonly [string, Readonly<Record<string, object>>])[] = [
    ["tokenizer", pipeline.tokenizers],
    ["dataset", pipeline.datasets],
    ["mix", pipeline.mixes],
    ["model", pipeline.models],
    ["adapter", pipeline.adapters],
    ["precision", pipeline.precisions],
    ["reward", pipeline.rewards],
    ["accelerator", pipeline.accelerators],
    ["instance", pipeline.instances],
    ["cluster", pipeline.clusters],
    ["train", Object.fromEntries(pipeline.stages.map((s) => [s.name, s]))],
  ];
  for (const [name, known] of Object.entries(pipeline.params))
    lines.push({
      depth: 0,
      text: `param ${name} = ${plain(known.value) ?? ""}`,
      path: `param ${name}`,
      ...origin(known),
    });
  for (const [keyword, all] of blocks)
    for (const [name, block] of Object.entries(all)) {
      lines.push({ depth: 0, text: `${keyword} ${name} {`, path: `${keyword} ${name}` });
      body(1, `${keyword} ${name}`, block);
      lines.push({ depth: 0, text: "}" });
    }
  lines.push({ depth: 0, text: "budget {", path: "budget budget" });
  body(1, "budget budget", pipeline.budget);
  lines.push({ depth: 0, text: "}" });
  return lines;
}

const snake = (key: string): string => key.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);

/** One-line values; `undefined` for what needs a body of its own. */
function plain(value: unknown): string | undefined {
  if (typeof value === "number" || typeof value === "boolean" || value === null) return String(value);
  if (typeof value === "string") return /^[A-Za-z_][\w.-]*$/.test(value) ? value : JSON.stringify(value);
  if (Array.isArray(value)) {
    const items = value.map((v) => plain(isKnown(v) ? v.value : v) ?? inline(v));
    return `[${items.join(", ")}]`;
  }
  if (typeof value === "object" && value !== null && "kind" in value) {
    const decision = value as {
      kind: string;
      value?: unknown;
      options?: readonly unknown[];
      min?: number;
      max?: number;
    };
    if (decision.kind === "fixed") return plain(decision.value);
    if (decision.kind === "auto") return "auto";
    if (decision.kind === "range") return `${decision.min}..${decision.max}`;
    if (decision.kind === "choice") return (decision.options ?? []).map((o) => plain(o) ?? inline(o)).join(" | ");
  }
  return undefined;
}

const inline = (value: unknown): string => {
  if (typeof value !== "object" || value === null) return String(value);
  const parts = Object.entries(value)
    .filter(([k, v]) => k !== "span" && v !== undefined)
    .map(([k, v]) => `${snake(k)} = ${plain(isKnown(v) ? v.value : v) ?? inline(isKnown(v) ? v.value : v)}`);
  return `{ ${parts.join(", ")} }`;
};
