/** The thread beside `llmp lsp` and `llmp studio`: `dist/analysis-worker.js`. Answers one request after the other. */
import { createHash } from "node:crypto";
import { parentPort } from "node:worker_threads";
import { check, type Pipeline, settingLines } from "../checker/index.js";
import { type Diagnostic, hasErrors } from "../diagnostics/index.js";
import type { AnalysisReply, AnalysisRequest, PlanSummary } from "../lsp/types.js";
import { parse } from "../parser/index.js";
import type { Plan } from "../planner/plan.js";
import { nodeHost } from "./host.js";
import { planOf } from "./plan/make.js";

async function answer(request: AnalysisRequest): Promise<AnalysisReply> {
  const { id, file, root, kind } = request;
  const host = nodeHost(root);
  for (const [path, text] of request.texts) host.put(path, text);
  const text = host.read(file) ?? "";
  const { value: ast, diagnostics: parsed } = parse({ path: file, text });
  const checked = check(ast, host);
  const diagnostics: Diagnostic[] = [...parsed, ...checked.diagnostics];
  const pipeline = hasErrors(diagnostics) ? undefined : checked.value;
  if (pipeline === undefined) return { id, diagnostics };
  const meaning = meaningOf(pipeline);
  if (kind === "check")
    return { id, diagnostics, meaning, settings: settingLines(pipeline), parameters: await parametersOf(pipeline) };
  const outcome = await planOf(pipeline);
  const all = [...diagnostics, ...outcome.diagnostics];
  if (outcome.value === undefined) return { id, diagnostics: all, meaning };
  if (kind === "plan") return { id, diagnostics: all, meaning, plan: summarise(outcome.value) };
  if (kind === "whole") return { id, diagnostics: all, meaning, whole: outcome.value };
  const { renderHtml } = await import("../report/html/index.js");
  return { id, diagnostics: all, meaning, page: await renderHtml(outcome.value) };
}

/** A hash of all but places and hashes of texts. */
const meaningOf = (pipeline: Pipeline): string =>
  createHash("sha256")
    .update(JSON.stringify(pipeline, (key, value) => (key === "span" || key === "sources" ? undefined : value)))
    .digest("hex");

async function parametersOf(pipeline: Pipeline): Promise<Readonly<Record<string, number>>> {
  const { buildModel } = await import("../model/index.js");
  return Object.fromEntries(Object.keys(pipeline.models).map((name) => [name, buildModel(pipeline, name).parameters]));
}

function summarise(plan: Plan): PlanSummary {
  return {
    outcome: plan.outcome,
    relaxations: plan.relaxations,
    totals: plan.totals,
    stages: plan.stages.map((s) => ({
      name: s.name,
      engine: s.engine,
      precision: s.precision,
      cluster: s.cluster,
      parallel: s.parallel,
      cost: s.cost,
      interval: s.interval,
      decisions: s.decisions,
      offload: s.offload,
      parameters: s.model.parameters,
      recompute: s.recompute.summary,
      memory: {
        peak_bytes: s.memory.peak_bytes,
        capacity_bytes: s.memory.capacity_bytes,
        fits: s.memory.fits,
        peak_at: s.memory.peak_at,
      },
      time: {
        step_seconds: s.time.step_seconds,
        total_seconds: s.time.total_seconds,
        tokens_per_second_per_device: s.time.tokens_per_second_per_device,
        mfu: s.time.mfu,
      },
    })),
  };
}

parentPort?.on("message", (request: AnalysisRequest) => {
  answer(request)
    .catch((error: unknown) => ({
      id: request.id,
      diagnostics: [],
      failure: error instanceof Error ? (error.stack ?? error.message) : String(error),
    }))
    .then((reply) => parentPort?.postMessage(reply));
});
