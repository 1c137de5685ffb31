/** A plan's stages, one after the other, in a run folder (DESIGN section 7). */

import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Pipeline, Stage } from "../../checker/pipeline.js";
import { type Diagnostic, runCodes } from "../../diagnostics/index.js";
import { writeWhole } from "../../files/index.js";
import type { ModelGraph } from "../../model/graph.js";
import { hfConfigText, hfLosses, toHfConfig, toHfGenerationConfig } from "../../model/index.js";
import type { Plan, StagePlan } from "../../planner/plan.js";
import { numberOf, objectivePrograms } from "../../program/index.js";
import { isBackend, startBackend } from "../backend/index.js";
import { openCheckpoints, setAside } from "../checkpoint/index.js";
import { worldSize } from "../collectives/index.js";
import { openPlannedData } from "../data/index.js";
import { fail, RunFailure } from "../failure.js";
import type { MetricsSink } from "../interfaces.js";
import { measuredOf, openMetrics, readMetrics, recordRun } from "../metrics/index.js";
import { onWorkers, WorkerFailure, workerBackend } from "../parallel/index.js";
import { openRewards } from "../rewards/index.js";
import type { TextTokenizer } from "../tokenizer/index.js";
import type { RunEvent, RunSummary } from "../types.js";
import { initialSource, namedSource, openSourceWeights, type WeightPlaces } from "../weights/index.js";
import { type Beside, besideOf } from "./beside.js";
import type { RollOut, StageInput, StageSummary } from "./executor.js";
import { refuse } from "./refuse.js";
import { openRollOut } from "./rollout.js";
import { trainStage } from "./stage.js";

export interface RunOptions {
  /** Folder of the pipeline's file: data and weights are relative to it, `runs/` goes there. */
  readonly root: string;
  /** Folder of the run. */
  readonly folder: string;
  readonly backend?: string;
  readonly steps?: number;
  readonly resume?: boolean;
  /** The program of worker threads, where it is not beside the bundle. */
  readonly workerFile?: string;
  /** Aborted once: save and stop after the step. */
  readonly stop?: AbortSignal;
}

export interface Builders {
  readonly buildModel: (
    pipeline: Pipeline,
    model: string,
    options?: { adapter?: string; freeze?: readonly string[] },
  ) => ModelGraph;
}

/** The accelerator of a plan for this machine is the backend that it was planned for. */
function plannedBackend(plan: Plan): string | undefined {
  const { provider, accelerator } = plan.stages[0]?.cluster ?? {};
  return provider === "local" && isBackend(accelerator) ? accelerator : undefined;
}

export async function* runPlan(plan: Plan, options: RunOptions, build: Builders): AsyncGenerator<RunEvent> {
  const { pipeline } = plan;
  const named = options.backend ?? plannedBackend(plan);
  // Started before anything is read, where a stage computes in this thread: TensorFlow has one pool of threads in a process.
  const here = plan.stages.every((s) => worldSize(s.parallel) > 1) ? undefined : await startBackend(named);
  const graphs = plan.stages.map((stagePlan) => {
    const stage = pipeline.stages.find((s) => s.name === stagePlan.name)!;
    const precision = pipeline.precisions[stagePlan.precision]!;
    const graph = build.buildModel(pipeline, stage.model.value, {
      ...(stage.adapter === undefined ? {} : { adapter: stage.adapter.value }),
      freeze: stage.freeze.value,
    });
    refuse(stage, stagePlan, precision, graph);
    const beside = besideOf(pipeline, stage);
    if (beside === undefined) return { stage, stagePlan, precision, graph };
    const frozen = build.buildModel(pipeline, beside.model, { freeze: ["*"] });
    refuse(stage, stagePlan, precision, frozen);
    return { stage, stagePlan, precision, graph, beside: { ...beside, graph: frozen } };
  });
  const stageFolders = plan.stages.map((s) => join(options.folder, s.name));
  const resume = options.resume === true;
  const metrics = writing(options.folder, () => openFolder(plan, options.folder, stageFolders, resume));
  const summaries: StageSummary[] = [];
  const tell = (event: RunEvent): RunEvent => {
    metrics.event(event);
    if (event.kind === "step") metrics.step(event.stage, event.metrics);
    return event;
  };
  try {
    for (const { stage, stagePlan, precision, graph, beside } of graphs) {
      const spec = pipeline.models[stage.model.value]!;
      const { source, tokenizer, diagnostics } = await openPlannedData(pipeline, stage, stagePlan, options.root);
      for (const d of diagnostics) yield tell({ kind: "message", level: "warning", text: `${d.code}: ${d.message}` });
      const losses = hfLosses(spec);
      if (losses.length > 0)
        yield tell({
          kind: "message",
          level: "warning",
          text: `config.json cannot say ${losses.join(", ")} of model ${spec.name}: transformers' ${spec.architecture.value} will compute something else`,
        });
      const places = { pipeline, root: options.root, runFolder: options.folder };
      const opened = openSourceWeights(initialSource(stage, places), graph);
      const other = beside === undefined ? undefined : openBeside(beside, stage, places);
      for (const d of [...opened.diagnostics, ...(other?.diagnostics ?? [])])
        yield tell({ kind: "message", level: "warning", text: `${d.code}: ${d.message}` });
      const weights = opened.store;
      const adapter = stage.adapter === undefined ? undefined : pipeline.adapters[stage.adapter.value];
      const damaged: Diagnostic[] = [];
      const checkpoints = openCheckpoints({
        stageFolder: join(options.folder, stage.name),
        planHash: plan.hash,
        ...(adapter === undefined ? {} : { adapter, baseModel: stage.model.value }),
        onDiagnostic: (d) => damaged.push(d),
        files: {
          ...tokenizer.files(),
          "config.json": hfConfigText(toHfConfig(spec, "float32", tokenizer)),
          "generation_config.json": hfConfigText(toHfGenerationConfig(spec, tokenizer)),
        },
      });
      const workers = worldSize(stagePlan.parallel) > 1;
      const input: Omit<StageInput, "resume"> = {
        graph,
        stage,
        plan: stagePlan,
        precision,
        backend: workers ? { name: workerBackend(named) } : here!,
        source,
        checkpoints,
        ...(workers ? { open: onWorkers(options.workerFile) } : {}),
        ...(weights === undefined ? {} : { weights }),
        ...(other === undefined ? {} : { other }),
        ...rollOutOf(pipeline, stage, stagePlan, tokenizer, options.root),
        ...(options.steps === undefined ? {} : { steps: options.steps }),
        ...(options.stop === undefined ? {} : { stop: options.stop }),
      };
      const training = outliving(input, resume);
      for (;;) {
        const next = await training.next();
        for (const d of damaged.splice(0))
          yield tell({ kind: "message", level: "warning", text: `${d.code}: ${d.message}` });
        if (next.done === true) {
          // All steps of the stage, also those that an interrupted run or a failed worker had made.
          summaries.push({
            ...next.value,
            ...measuredOf(readMetrics(join(options.folder, stage.name, "metrics.jsonl"))),
          });
          break;
        }
        yield tell(next.value);
      }
      await source.close();
      await weights?.close();
      await other?.weights?.close();
      if (options.stop?.aborted === true) break;
    }
    const summary: RunSummary = { stages: summaries };
    recordRun(options.folder, options.stop?.aborted === true ? "stopped" : "done");
    await metrics.summary(summary);
    yield tell({ kind: "done", summary });
  } catch (thrown) {
    const error = asFailure(options.folder, thrown);
    // Where the disk is full, the record may fail too: the cause is what counts.
    quietly(() =>
      recordRun(options.folder, "failed", error instanceof RunFailure ? error.diagnostic.message : String(error)),
    );
    await metrics.close().catch(() => {});
    throw error;
  }
  await metrics.close();
}

/** A run that does not go on from an earlier one sets its checkpoints aside: resuming must find this run's only. */
function openFolder(plan: Plan, folder: string, stageFolders: readonly string[], resume: boolean): MetricsSink {
  mkdirSync(folder, { recursive: true });
  if (!resume) for (const stage of stageFolders) setAside(stage);
  const file = join(folder, "plan.json");
  if (!resume || !existsSync(file)) writeWhole(file, `${JSON.stringify(plan, null, 2)}\n`);
  recordRun(folder, "running");
  return openMetrics(folder);
}

const writing = <T>(folder: string, work: () => T): T => {
  try {
    return work();
  } catch (error) {
    throw asFailure(folder, error);
  }
};

const quietly = (work: () => void): void => {
  try {
    work();
  } catch {
    // Told already.
  }
};

const full: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full",
  EDQUOT: "the quota is used up",
  EFBIG: "the file would be larger than allowed",
  EROFS: "the disk can only be read",
  EACCES: "no permission",
  EPERM: "no permission",
};

/** A disk that takes no more is the environment's fault, not ours. */
function asFailure(folder: string, error: unknown): unknown {
  const { code, path } = error as NodeJS.ErrnoException;
  const why = code === undefined ? undefined : full[code];
  if (error instanceof RunFailure || why === undefined) return error;
  return new RunFailure(
    runCodes.report(
      "LLMP6007",
      undefined,
      { path: path ?? folder, why },
      { hints: ["then `llmp run --resume` goes on from the last checkpoint"] },
    ),
  );
}

/** A stage that goes on from its last checkpoint when a worker fails. */
async function* outliving(input: Omit<StageInput, "resume">, resume: boolean): AsyncGenerator<RunEvent, StageSummary> {
  for (let left = 3; ; left--) {
    try {
      return yield* trainStage({ ...input, resume: resume || left < 3 });
    } catch (error) {
      if (!(error instanceof WorkerFailure)) throw error;
      const values = { stage: input.plan.name, why: error.message };
      if (left === 0 || input.checkpoints === undefined)
        fail(runCodes.report("LLMP6005", input.stage.span, values, { hints: ["`llmp run --resume` goes on"] }));
      const { code, message } = runCodes.report("LLMP6006", input.stage.span, values);
      yield { kind: "message", level: "warning", text: `${code}: ${message}` };
    }
  }
}

/** Sampling and rewards, where the objective learns from samples. */
function rollOutOf(
  pipeline: Pipeline,
  stage: Stage,
  plan: StagePlan,
  tokenizer: TextTokenizer,
  root: string,
): { readonly rollOut?: RollOut } {
  const { kind, options } = stage.objective;
  if (objectivePrograms[kind]?.samples !== true) return {};
  const named = options.reward?.value;
  const rewards = (typeof named === "string" ? [named] : Array.isArray(named) ? (named as readonly string[]) : []).map(
    (name) => pipeline.rewards[name]!,
  );
  const judge = openRewards(rewards, { root, maxCompletion: numberOf(options, "maxCompletion", 512) });
  const prompts = plan.parallel.micro_batch;
  return { rollOut: openRollOut({ tokenizer, judge, options, seed: stage.seed.value, prompts }) };
}

function openBeside({ named, graph }: Beside & { readonly graph: ModelGraph }, stage: Stage, places: WeightPlaces) {
  if (named === undefined) return { graph, diagnostics: [] };
  const { store, diagnostics } = openSourceWeights(namedSource(named, places), graph);
  if (store === undefined)
    return fail(
      runCodes.report(
        "LLMP6203",
        stage.span,
        { path: named, why: "the model has no weights" },
        { hints: [`give model ${named} \`weights = "FOLDER"\`, or name a stage that trains it`] },
      ),
    );
  return { graph, weights: store, diagnostics };
}
