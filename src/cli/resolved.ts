/** `check --resolved`: the pipeline as it is after imports, inheritance, params and defaults; each value with its origin. */
import { type Pipeline, settingLines } from "../checker/index.js";
import { LineMap, type Span } from "../text/index.js";
import type { Loaded } from "./load.js";

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
  const lines = settingLines(pipeline).map(({ depth, text, from, span }) => ({
    depth,
    text,
    origin: from === undefined ? "" : from + place(span),
  }));
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
