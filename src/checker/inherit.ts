/** The entries of a block after inheritance and `--set`: child over parent, `--set` over both. */
import { nameCodes } from "../diagnostics/index.js";
import type { Ident, PairEntry } from "../parser/ast.js";
import type { Context, EffectiveEntry, Override } from "./context.js";
import { nearestHint } from "./hints.js";
import { predefinedNames } from "./predefined.js";
import type { Declared } from "./scope.js";

const cache = new WeakMap<Context, Map<Declared, readonly EffectiveEntry[]>>();

/** Own entries first, in source order; then what the parents add. Keys set twice in one body keep the first. */
export function effectiveEntries(declared: Declared, context: Context): readonly EffectiveEntry[] {
  let known = cache.get(context);
  if (known === undefined) {
    known = new Map();
    cache.set(context, known);
  }
  const cached = known.get(declared);
  if (cached !== undefined) return cached;
  const entries = new Map<string, EffectiveEntry>();
  for (const [depth, one] of lineage(declared, context).entries()) {
    for (const entry of one.block.body.entries) {
      if (entry.kind !== "pair" || entries.has(entry.key.text)) continue;
      entries.set(entry.key.text, { entry, from: depth === 0 ? "file" : "inherited" });
    }
  }
  for (const override of context.overrides.get(declared.name) ?? []) applyOverride(entries, override);
  const result = [...entries.values()];
  known.set(declared, result);
  return result;
}

/** The block and its ancestors, nearest first. A cycle ends where it closes (reported by `checkParents`). */
export function lineage(declared: Declared, context: Context): readonly Declared[] {
  const chain = new Set([declared]);
  const kind = declared.block.keyword.text;
  for (let at = declared; at.block.parent !== undefined; ) {
    const parent = context.scope.blocks.get(kind)?.get(at.block.parent.text);
    if (parent === undefined || chain.has(parent)) break;
    chain.add(parent);
    at = parent;
  }
  return [...chain];
}

/** The predefined name at the end of the chain (`fp8`), if there is one. */
export function predefinedParent(declared: Declared, context: Context): string | undefined {
  const last = lineage(declared, context).at(-1)?.block;
  const parent = last?.parent?.text;
  return parent !== undefined && predefinedNames(last?.keyword.text ?? "").includes(parent) ? parent : undefined;
}

/** Parents that do not exist, and circles. Each circle is reported once. */
export function checkParents(context: Context): void {
  for (const [kind, blocks] of context.scope.blocks) {
    if (kind !== "model" && kind !== "precision") continue;
    const others = predefinedNames(kind);
    const done = new Set<string>();
    for (const declared of blocks.values()) {
      const path = new Set<string>();
      for (let at: Declared | undefined = declared; at !== undefined && !done.has(at.name); ) {
        path.add(at.name);
        const parent: Ident | undefined = at.block.parent;
        if (parent === undefined) break;
        at = blocks.get(parent.text);
        if (at === undefined && !others.includes(parent.text)) {
          const hint = nearestHint(parent.text, [...blocks.keys(), ...others], parent.span);
          context.report(nameCodes.report("LLMP1004", parent.span, { kind, name: parent.text }, hint));
        } else if (at !== undefined && path.has(at.name)) {
          const all = [...path];
          const chain = [...all.slice(all.indexOf(at.name)), at.name].join(" → ");
          context.report(nameCodes.report("LLMP1010", parent.span, { name: at.name, chain }));
          break;
        }
      }
      for (const name of path) done.add(name);
    }
  }
}

function applyOverride(entries: Map<string, EffectiveEntry>, { path, value }: Override): void {
  const [key, ...rest] = path;
  if (key === undefined) return;
  const old = entries.get(key)?.entry;
  const ident = { text: key, span: value.span };
  let next = value;
  if (rest.length > 0) {
    const inner = new Map<string, EffectiveEntry>();
    const body = old?.value.kind === "record" || old?.value.kind === "variant" ? old.value.body : undefined;
    for (const entry of body?.entries ?? []) {
      if (entry.kind === "pair") inner.set(entry.key.text, { entry, from: "file" });
    }
    applyOverride(inner, { path: rest, value });
    const merged = { entries: [...inner.values()].map((e) => e.entry), span: value.span };
    if (old?.value.kind === "variant") next = { ...old.value, body: merged };
    else if (old?.value.kind === "name" && old.value.text !== "auto" && old.value.parts[0] !== undefined)
      next = { kind: "variant", name: old.value.parts[0], body: merged, span: old.value.span };
    else next = { kind: "record", body: merged, span: value.span };
  }
  const entry: PairEntry = {
    kind: "pair",
    key: old?.key ?? ident,
    operator: old?.operator ?? "=",
    value: next,
    span: value.span,
  };
  entries.set(key, { entry, from: "set" });
}
