/** What a plan may put into paths, job names and scripts. A hand-made plan.json is as hostile as anything else. */
import { type Diagnostic, emitCodes } from "../../diagnostics/index.js";
import type { Plan } from "../../planner/plan.js";

const identifier = /^[A-Za-z][A-Za-z0-9_-]{0,62}$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const control = /[\u0000-\u001f\u007f\u0085\u2028\u2029]/;
/** What no path or URI that ends in a shell script or a request may hold, even quoted. */
const unsafePath = /(^|\/)\.\.(\/|$)|["'`$\\;|&<>!]/;

function bad(what: string, name: string): Diagnostic {
  const shown = JSON.stringify(name.length > 60 ? `${name.slice(0, 57)}...` : name);
  return emitCodes.report(
    "LLMP5002",
    undefined,
    { what, name: shown },
    {
      hints: [
        "names are letters, digits, _ and -, starting with a letter; paths hold no quotes, `$`, `..` or line breaks",
      ],
    },
  );
}

const identifiers = function* (plan: Plan): Generator<readonly [string, string]> {
  const { pipeline } = plan;
  for (const stage of plan.stages) yield ["stage", stage.name];
  for (const stage of pipeline.stages) {
    yield ["stage", stage.name];
    if (stage.startsFrom !== undefined) yield ["stage", stage.startsFrom];
  }
  const kinds = ["tokenizers", "datasets", "mixes", "models", "adapters", "precisions", "rewards", "clusters"] as const;
  for (const kind of kinds) for (const name of Object.keys(pipeline[kind])) yield [kind.slice(0, -1), name];
};

const paths = function* (plan: Plan): Generator<readonly [string, string]> {
  const { pipeline } = plan;
  for (const dataset of Object.values(pipeline.datasets))
    for (const source of dataset.source.value) yield [`source of dataset ${dataset.name}`, source];
  for (const model of Object.values(pipeline.models))
    if (model.weights !== undefined) yield [`weights of model ${model.name}`, model.weights.value];
  for (const tokenizer of Object.values(pipeline.tokenizers))
    if (tokenizer.file !== undefined) yield [`file of tokenizer ${tokenizer.name}`, tokenizer.file.value];
  for (const cluster of Object.values(pipeline.clusters)) {
    for (const key of ["storage", "role", "image", "region"] as const) {
      const value = cluster[key];
      if (value !== undefined) yield [`${key} of cluster ${cluster.name}`, value.value];
    }
    for (const [key, option] of Object.entries(cluster.options))
      for (const value of Array.isArray(option.value) ? (option.value as readonly string[]) : [option.value])
        if (typeof value === "string") yield [`${key} of cluster ${cluster.name}`, value];
  }
};

/** Paths of this file may climb out with `..` only where the checker allowed it; in a job they never may. */
export function checkNames(plan: Plan): Diagnostic[] {
  const found: Diagnostic[] = [];
  const seen = new Set<string>();
  for (const [what, name] of identifiers(plan)) {
    if (seen.has(name)) continue;
    seen.add(name);
    if (typeof name !== "string" || !identifier.test(name)) found.push(bad(what, String(name)));
  }
  for (const [what, path] of paths(plan)) {
    if (typeof path !== "string" || control.test(path) || unsafePath.test(path)) found.push(bad(what, String(path)));
  }
  for (const stage of plan.stages) {
    const texts = [stage.cluster.instance, stage.cluster.accelerator, stage.engine, stage.objective, stage.precision];
    for (const text of texts) if (control.test(text) || unsafePath.test(text)) found.push(bad("value", text));
  }
  return found;
}

/** Letters, digits and single dashes; within `length`, by cutting the front part, never the tail. */
export function slug(parts: readonly string[], length: number): string {
  const clean = parts.map((p) => p.replace(/[^A-Za-z0-9]+/g, "-").replace(/^-+|-+$/g, "")).filter((p) => p !== "");
  const tail = clean.slice(1).join("-");
  const front = (clean[0] ?? "llmp").slice(0, Math.max(1, length - tail.length - 1)).replace(/-+$/g, "");
  return [front, tail]
    .filter((p) => p !== "")
    .join("-")
    .slice(0, length)
    .replace(/-+$/g, "");
}
