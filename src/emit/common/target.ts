/** What all targets share: lowering every stage, what a cluster must name, READMEs. */

import { type Diagnostic, emitCodes, hasErrors, type Outcome } from "../../diagnostics/index.js";
import type { Plan } from "../../planner/plan.js";
import { formatBytes, formatSeconds, formatUsd } from "../../units/index.js";
import { loweringOf } from "../engines/index.js";
import type { EngineBundle } from "../engines/types.js";
import type { EmittedFile } from "../types.js";
import { engineFiles, inputs, preparedOf } from "./entry.js";
import { refuse } from "./lower.js";
import { objectionsTo } from "./objections.js";
import { type StageView, viewStages } from "./stage.js";

export interface LoweredStage {
  readonly view: StageView;
  readonly bundle: EngineBundle;
  /** `engine/…` of the stage. */
  readonly files: readonly EmittedFile[];
}

export function lowerStage(view: StageView): Outcome<LoweredStage> {
  const lowering = loweringOf(view.stage.engine);
  if (lowering === undefined)
    return {
      diagnostics: [
        refuse(
          view,
          "its own runtime",
          `engine ${view.stage.engine} runs on this machine only: llmp run starts it`,
          "name another engine in the train block to emit the stage",
        ),
      ],
    };
  const objections = objectionsTo(view);
  if (objections.length > 0) return { diagnostics: objections };
  if (preparedOf(view).prepared !== undefined && !lowering.readsRows.includes(view.spec.objective.kind))
    return {
      diagnostics: [
        refuse(
          view,
          "rows handed over by llmp data build",
          "it prepares its own from the raw data",
          "leave --prepared out",
        ),
      ],
    };
  const outcome = lowering.lower(view);
  if (outcome.value === undefined) return { diagnostics: outcome.diagnostics };
  return {
    value: { view, bundle: outcome.value, files: engineFiles(view, outcome.value) },
    diagnostics: outcome.diagnostics,
  };
}

/** All stages lowered, then `make` for each; errors of all stages together. */
export function eachStage(
  plan: Plan,
  target: string,
  providers: readonly string[],
  make: (stage: LoweredStage, all: readonly LoweredStage[]) => Outcome<readonly EmittedFile[]>,
): Outcome<readonly EmittedFile[]> & { readonly stages: readonly LoweredStage[] } {
  const diagnostics: Diagnostic[] = [];
  const stages: LoweredStage[] = [];
  for (const view of viewStages(plan)) {
    if (!providers.includes(view.cluster.provider.value)) {
      diagnostics.push(
        emitCodes.report(
          "LLMP5005",
          view.cluster.provider.span,
          { target, cluster: view.cluster.name, provider: view.cluster.provider.value },
          {
            hints: [`${target} is for provider = ${providers.join(" | ")}`],
          },
        ),
      );
      continue;
    }
    const lowered = lowerStage(view);
    diagnostics.push(...lowered.diagnostics);
    if (lowered.value !== undefined) stages.push(lowered.value);
  }
  const files: EmittedFile[] = [];
  if (!hasErrors(diagnostics)) {
    for (const stage of stages) {
      const outcome = make(stage, stages);
      diagnostics.push(...outcome.diagnostics);
      files.push(...(outcome.value ?? []), ...stage.files);
    }
  }
  return hasErrors(diagnostics) ? { diagnostics, stages } : { value: files, diagnostics, stages };
}

/** A key of the cluster block that only emitters read; written in snake_case, kept in either case. */
export function clusterOption(view: StageView, key: string): string | undefined {
  const camel = key.replace(/_([a-z])/g, (_, c: string) => c.toUpperCase());
  const found = view.cluster.options[key] ?? view.cluster.options[camel];
  return found === undefined || Array.isArray(found.value) ? undefined : String(found.value);
}

export function clusterList(view: StageView, key: string): readonly string[] {
  const value = view.cluster.options[key]?.value;
  return Array.isArray(value) ? (value as readonly string[]) : value === undefined ? [] : [String(value)];
}

export function clusterNumber(view: StageView, key: string): number | undefined {
  const value = Number(clusterOption(view, key));
  return Number.isFinite(value) ? value : undefined;
}

export const needs = (view: StageView, target: string, key: string, example: string): Diagnostic =>
  emitCodes.report(
    "LLMP5004",
    view.cluster.span,
    { target, key, cluster: view.cluster.name },
    { hints: [`add ${key} = ${example}`] },
  );

/** `s3://bucket/prefix` without a trailing slash, or undefined. */
export function storage(view: StageView): string | undefined {
  const value = clusterOption(view, "output") ?? view.cluster.storage?.value;
  return value?.startsWith("s3://") ? value.replace(/\/+$/, "") : undefined;
}

/** `key=value` tags, the plan's hash first. */
export function tags(view: StageView): readonly (readonly [string, string])[] {
  const own = clusterList(view, "tags").map((tag) => {
    const at = tag.indexOf("=");
    return at < 0 ? ([tag, ""] as const) : ([tag.slice(0, at), tag.slice(at + 1)] as const);
  });
  return [["llmp-plan", view.plan.hash.slice(0, 64)], ["llmp-stage", view.stage.name], ...own];
}

/** Seconds that a job may run: what the file says, else half as long again as planned plus an hour, at most `limit`. */
export function maxRuntime(view: StageView, limit: number): number {
  const said = clusterNumber(view, "max_runtime");
  return Math.min(limit, Math.max(1, Math.ceil(said ?? view.stage.time.total_seconds * 1.5 + 3600)));
}

/** How to hand over exactly the rows that llmp's own runtime would train on. */
function handOverNote(view: StageView): string[] {
  const reads = loweringOf(view.stage.engine)?.readsRows.includes(view.spec.objective.kind) === true;
  if (!reads || preparedOf(view).prepared !== undefined) return [];
  return [
    "- The machines mix the inputs by the planned weights. To hand over the very rows and their order instead: `llmp data build FILE -o rows`, then emit again with `--prepared rows` (or the `s3://` folder that you copied it to).",
  ];
}

export function readme(
  view: StageView,
  bundle: EngineBundle,
  how: { readonly command: string; readonly also: readonly string[] },
): EmittedFile {
  const { stage } = view;
  const list = inputs(view).map(
    (i) => `| \`${i.channel}\` | ${i.kind === "stage" ? `output of stage ${i.from}` : `\`${i.from}\``} |`,
  );
  const text = [
    `# Stage ${stage.name}`,
    "",
    `${stage.objective} of ${stage.model.name} with ${stage.engine} on ${stage.cluster.count} × ${stage.cluster.instance}, ${stage.steps} steps.`,
    "",
    "```sh",
    how.command,
    "```",
    "",
    ...how.also.flatMap((line) => [line, ""]),
    `Planned: ${formatSeconds(stage.time.step_seconds)} a step, ${formatBytes(stage.memory.peak_bytes)} of ${formatBytes(stage.memory.capacity_bytes)} at the peak, ${formatSeconds(stage.time.total_seconds)} in all${stage.cost.usd === null ? "" : `, ${formatUsd(stage.cost.usd)}`}.`,
    "",
    ...(list.length === 0 ? [] : ["| input | from |", "|---|---|", ...list, ""]),
    ...handOverNote(view),
    ...bundle.notes.flatMap((note) => [`- ${note}`]),
    ...(bundle.notes.length === 0 && handOverNote(view).length === 0 ? [] : [""]),
    "`engine/` holds the engine's configuration and `entry.sh`, which runs it on one node. Written by llmp; edit freely, or change the `.llmp` file and emit again.",
  ];
  return { path: `${view.folder}README.md`, text: `${text.join("\n")}\n` };
}
