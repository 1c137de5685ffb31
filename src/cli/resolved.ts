/** `check --resolved`: the pipeline as it is after imports, inheritance, params and defaults; each value with its origin. */
import type { Pipeline } from "../checker/index.js";
import { LineMap, type Span } from "../text/index.js";
import type { Loaded } from "./load.js";

interface Originated {
  readonly value: unknown;
  readonly from: string;
  readonly span?: Span;
}

const isKnown = (v: unknown): v is Originated =>
  typeof v === "object" && v !== null && "from" in v && "value" in v && typeof (v as Originated).from === "string";

export function resolved(loaded: Loaded, pipeline: Pipeline): string {
  const maps = new Map<string, LineMap>();
  const place = (span: Span | undefined): string => {
    if (span === undefined) return "";
    let map = maps.get(span.file);
    if (map === undefined) {
      map = new LineMap(loaded.host.read(span.file) ?? "");
      maps.set(span.file, map);
    }
    return ` ${span.file}:${map.position(span.start).line}`;
  };
  const lines: { depth: number; text: string; origin: string }[] = [];
  const put = (depth: number, text: string, origin = ""): void => {
    lines.push({ depth, text, origin });
  };
  const body = (depth: number, object: object): void => {
    for (const [key, value] of Object.entries(object)) {
      if (key === "span" || key === "name" || value === undefined) continue;
      entry(depth, snake(key), value);
    }
  };
  const entry = (depth: number, key: string, value: unknown): void => {
    if (isKnown(value)) {
      const origin = value.from + (value.from === "default" ? "" : place(value.span));
      const shown = plain(value.value);
      if (shown !== undefined) put(depth, `${key} = ${shown}`, origin);
      else {
        put(depth, `${key} = {`, origin);
        body(depth + 1, value.value as object);
        put(depth, "}");
      }
      return;
    }
    const shown = plain(value);
    if (shown !== undefined) put(depth, `${key} = ${shown}`);
    else {
      put(depth, `${key} = {`);
      body(depth + 1, value as object);
      put(depth, "}");
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
    put(0, `param ${name} = ${plain(known.value) ?? ""}`, known.from + place(known.span));
  for (const [keyword, all] of blocks)
    for (const [name, block] of Object.entries(all)) {
      put(0, `${keyword} ${name} {`);
      body(1, block);
      put(0, "}");
    }
  put(0, "budget {");
  body(1, pipeline.budget);
  put(0, "}");
  const wide = Math.min(
    60,
    Math.max(0, ...lines.filter((l) => l.origin !== "").map((l) => l.depth * 2 + l.text.length)),
  );
  return `${lines
    .map(({ depth, text, origin }) => {
      const line = "  ".repeat(depth) + text;
      return origin === "" ? line : `${line.padEnd(wide)}  # ${origin}`;
    })
    .join("\n")}\n`;
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
