/** Ast → Pipeline: imports, names, inheritance, params, units, defaults, and what a trainer would want to be told. */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import { type Diagnostic, hasErrors, type Outcome } from "../diagnostics/index.js";
import type { Ast } from "../parser/ast.js";
import { blocks } from "../schema/index.js";
import type { Host } from "../text/index.js";
import { assemble } from "./assemble.js";
import type { Context } from "./context.js";
import { checkParents } from "./inherit.js";
import { load } from "./load.js";
import { checkParams, readOverrides, setFile } from "./params.js";
import type { Pipeline } from "./pipeline.js";
import { checkRules } from "./rules/index.js";
import { declare } from "./scope.js";

export { familyDefaults, moeDefaults, moeFallback } from "./blocks/families.js";
export { families } from "./bundled.js";
export type * from "./pipeline.js";
export { predefinedNames } from "./predefined.js";
export { suffixScales, type UnitDimension, unitNames, unitsOf } from "./quantity.js";
export { type SettingLine, settingLines } from "./settings.js";

export interface CheckOptions {
  /** `--set name=value`, and `--set block.key=value`. */
  readonly set?: Readonly<Record<string, string>>;
}

/** All mistakes in one pass; the pipeline only where there is no error. */
export function check(ast: Ast, host: Host, options: CheckOptions = {}): Outcome<Pipeline> {
  const diagnostics: Diagnostic[] = [];
  const seen = new Set<string>();
  const report = (given: Diagnostic): void => {
    const diagnostic = withoutSetPlace(given);
    // An inherited entry is read once for each heir; it is wrong once.
    const { span } = diagnostic.primary ?? {};
    const key = `${diagnostic.code} ${span?.file}:${span?.start}:${span?.end} ${diagnostic.message}`;
    if (seen.has(key)) return;
    seen.add(key);
    diagnostics.push(diagnostic);
  };
  const files = load(ast, host, report);
  const scope = declare(
    files,
    blocks.map((b) => b.keyword),
    report,
  );
  const overrides = readOverrides(options.set ?? {}, scope, report);
  const context: Context = {
    host,
    rootFile: ast.file,
    scope,
    report,
    overrides,
    usedSet: false,
    circular: new Set(),
    memo: new Map(),
  };
  checkParents(context);
  const params = checkParams(context);
  const draft = assemble(context);
  checkRules(draft, context);
  const sorted = sortByPlace(diagnostics, ast.file);
  if (hasErrors(sorted)) return { diagnostics: sorted };
  const digest = host.sha256 ?? ((text: string) => bytesToHex(sha256(utf8ToBytes(text))));
  const sources = files.flatMap(({ path, text }) => (text === undefined ? [] : [{ path, sha256: digest(text) }]));
  const value: Pipeline = { schema: "llmp.pipeline/1", file: ast.file, sources, params, ...draft };
  return { value, diagnostics: sorted };
}

/** Values of `--set` stand in no file: nothing to point at, so it is said in words. */
function withoutSetPlace(diagnostic: Diagnostic): Diagnostic {
  const inFile = (span: { readonly file: string }): boolean => span.file !== setFile && span.file !== "";
  const labels = diagnostic.labels.filter((l) => inFile(l.span));
  if (diagnostic.primary === undefined || inFile(diagnostic.primary.span)) return { ...diagnostic, labels };
  const { primary, ...rest } = diagnostic;
  const hints =
    primary.span.file === setFile ? ["the value was given with --set", ...diagnostic.hints] : diagnostic.hints;
  return { ...rest, labels, hints };
}

/** The root file's first, each file from top to bottom; those without a place at the end. */
function sortByPlace(diagnostics: readonly Diagnostic[], root: string): readonly Diagnostic[] {
  const rank = (d: Diagnostic): [number, string, number] => {
    const span = d.primary?.span;
    return [span === undefined ? 2 : span.file === root ? 0 : 1, span?.file ?? "", span?.start ?? 0];
  };
  return [...diagnostics].sort((a, b) => {
    const [x, y] = [rank(a), rank(b)];
    return x[0] - y[0] || x[1].localeCompare(y[1]) || x[2] - y[2];
  });
}
