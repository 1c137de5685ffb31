/**
 * `llmp run` with an engine on this machine: writes its folder into the run folder, starts `entry.sh` (accelerate or
 * torchrun) in the engine's environment, follows `metrics.jsonl`, and leaves the same run folder as our own runtime.
 */

import {
  appendFileSync,
  chmodSync,
  closeSync,
  createWriteStream,
  existsSync,
  mkdirSync,
  openSync,
  readSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { execa } from "execa";
import { type Diagnostic, emitCodes } from "../../diagnostics/index.js";
import { emit, loweringOf, stageInputs, withPrepared } from "../../emit/index.js";
import { writeWhole } from "../../files/index.js";
import type { Plan, StagePlan } from "../../planner/plan.js";
import { openMetrics, recordRun } from "../../runtime/metrics/index.js";
import { type RunEvent, RunFailure, type RunSummary, type StepMetrics } from "../../runtime/types.js";
import { handOver } from "../data/hand-over.js";
import { exit } from "../output.js";
import { installableEngines } from "./install.js";
import { findPython, moduleOf } from "./python.js";

export interface EngineRunOptions {
  /** Folder of the `.llmp` file: paths of local data start there. */
  readonly root: string;
  /** `runs/<name>`. */
  readonly folder: string;
  /** Aborted: the engine is ended; its last checkpoint stays. */
  readonly stop?: AbortSignal;
  /** Go on from the checkpoints in the folder. */
  readonly resume?: boolean;
  /** Stop every stage after so many steps. */
  readonly steps?: number;
  /** Overrides the search for one. */
  readonly python?: string;
}

/** Carries its diagnostic to the command, which shows it and ends with exit code 3. */
export class EngineFailure extends RunFailure {}

/** True where a plan is for engines that this module starts: not our own runtime, and on this machine. */
export const runsOnEngine = (plan: Plan): boolean =>
  plan.stages.length > 0 &&
  plan.stages.every((s) => s.cluster.provider === "local" && loweringOf(s.engine) !== undefined);

const stopSignals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

type Summary = RunSummary["stages"][number];

/** The run folder is written here: `run.json`, `plan.json`, per stage `metrics.jsonl`, `final/`, `checkpoints/`; `summary.json`. */
export async function* runEngine(plan: Plan, options: EngineRunOptions): AsyncGenerator<RunEvent> {
  const sink = openMetrics(options.folder);
  recordRun(options.folder, "running");
  let ended = false;
  try {
    for await (const event of stages(plan, options)) {
      sink.event(event);
      if (event.kind === "step") sink.step(event.stage, event.metrics);
      if (event.kind === "done") await sink.summary(event.summary);
      yield event;
    }
    ended = true;
    recordRun(options.folder, options.stop?.aborted === true ? "stopped" : "done");
  } catch (error) {
    ended = true;
    recordRun(options.folder, options.stop?.aborted === true ? "stopped" : "failed", (error as Error).message);
    throw error;
  } finally {
    if (!ended) recordRun(options.folder, "stopped");
    await sink.close();
  }
}

async function* stages(whole: Plan, options: EngineRunOptions): AsyncGenerator<RunEvent> {
  const { steps = Number.POSITIVE_INFINITY } = options;
  const short = whole.stages.map((s) => ({ ...s, steps: Math.min(s.steps, steps) }));
  const plan: Plan = { ...whole, stages: short };
  // A program that stops early by itself keeps the learning rate of the whole plan.
  const kept = whole.stages.map((s, i) => (loweringOf(s.engine)?.stopsEarly === true ? s : (short[i] ?? s)));
  const rows = readsRows(whole);
  const outcome = await emit(
    "engine",
    { ...whole, stages: kept },
    { read: () => undefined, ...(rows ? { prepared } : {}) },
  );
  const [problem] = outcome.diagnostics.filter((d) => d.severity === "error");
  if (outcome.value === undefined) throw new EngineFailure(problem as Diagnostic);
  mkdirSync(options.folder, { recursive: true });
  writeWhole(join(options.folder, "plan.json"), `${JSON.stringify(plan, null, 2)}\n`);
  const single = plan.stages.length === 1;
  const summaries: Summary[] = [];
  for (const [index, stage] of plan.stages.entries()) {
    const python = options.python ?? (await findPython(stage.engine));
    if (python === undefined)
      throw new EngineFailure(
        emitCodes.report(
          "LLMP5101",
          undefined,
          { engine: stage.engine, python: "python3", module: moduleOf(stage.engine) },
          {
            hints: [
              installableEngines.includes(stage.engine)
                ? `llmp doctor --fix ${stage.engine} makes an environment for it`
                : `llmp cannot install ${stage.engine}: its packages come with its maker's images`,
              "or name a Python that has it: LLMP_PYTHON=/path/to/python",
            ],
          },
        ),
      );
    const prefix = single ? "" : `${String(index + 1).padStart(2, "0")}-${stage.name}/`;
    const own = join(options.folder, stage.name);
    const engine = join(own, "job", "engine");
    rmSync(join(own, "job"), { recursive: true, force: true });
    for (const file of outcome.value.filter((f) => f.path.startsWith(`${prefix}engine/`))) {
      const path = join(own, "job", file.path.slice(prefix.length));
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, file.text);
      if (file.executable === true) chmodSync(path, 0o755);
    }
    if (rows) {
      yield { kind: "message", level: "info", text: `${stage.name}: writing the planned rows` };
      await handOver(plan, index, { root: options.root, folder: join(options.folder, prepared, stage.name) });
    }
    linkInputs(rows ? withPrepared(plan, prepared) : plan, index, join(own, "job", "input"), options);
    summaries.push(yield* stageEvents(stage, { ...options, python, own, engine }));
    if (options.stop?.aborted === true) break;
  }
  const summary = { stages: summaries };
  yield { kind: "done", summary };
}

/** Within the run folder: the rows of each stage, as `llmp data build -o` writes them. */
const prepared = "prepared";

/** Each engine of the plan reads ready rows; otherwise all mix the raw data by the same weights. */
const readsRows = (plan: Plan): boolean =>
  plan.stages.every((s) => loweringOf(s.engine)?.readsRows.includes(s.objective) === true);

function linkInputs(plan: Plan, index: number, folder: string, options: EngineRunOptions): void {
  mkdirSync(folder, { recursive: true });
  for (const input of stageInputs(plan, index)) {
    if (input.kind === "s3") continue;
    const path =
      input.kind === "stage"
        ? resolve(options.folder, input.from, "final")
        : resolve(input.channel === prepared ? options.folder : options.root, input.from);
    if (!existsSync(path))
      throw new EngineFailure(
        emitCodes.report(
          "LLMP5103",
          undefined,
          { stage: plan.stages[index]?.name ?? "", channel: input.channel, path: input.from },
          {
            hints: ["paths start at the folder of the .llmp file"],
          },
        ),
      );
    symlinkSync(path, join(folder, input.channel));
  }
}

interface StageRun extends EngineRunOptions {
  readonly python: string;
  readonly own: string;
  readonly engine: string;
}

async function* stageEvents(stage: StagePlan, run: StageRun): AsyncGenerator<RunEvent, Summary> {
  const final = join(run.own, "final");
  const checkpoints = join(run.own, "checkpoints");
  if (run.resume !== true) for (const path of [final, checkpoints]) rmSync(path, { recursive: true, force: true });
  const metrics = join(final, "metrics.jsonl");
  const log = join(run.own, "engine.log");
  const tail = new Tail(metrics);
  const startStep = run.resume === true ? tail.skip() : 0;
  yield {
    kind: "stage",
    stage: stage.name,
    backend: stage.engine,
    steps: stage.steps,
    startStep,
    predicted: { peakBytes: stage.memory.peak_bytes, stepSeconds: stage.time.step_seconds },
  };
  yield { kind: "message", level: "info", text: `${stage.engine} writes to ${log}` };
  const child = execa("bash", [join(run.engine, "entry.sh")], {
    env: {
      LLMP_INPUT: join(run.own, "job", "input"),
      LLMP_OUTPUT: final,
      LLMP_CHECKPOINTS: checkpoints,
      LLMP_WORK: join(run.own, "work"),
      LLMP_NO_INSTALL: "1",
      LLMP_STEPS: String(stage.steps),
      PYTHON: run.python,
      PYTHONUNBUFFERED: "1",
    },
    all: true,
    buffer: false,
    reject: false,
    detached: true,
    stdin: "ignore",
  });
  const last: string[] = [];
  const file = createWriteStream(log);
  const stepOf = loweringOf(stage.engine)?.stepOf;
  const pump = (async () => {
    for await (const line of child.iterable({ from: "all" })) {
      file.write(`${line}\n`);
      const told = stepOf?.(line);
      // As engines that write it themselves: where a resumed run finds how far it had come.
      if (told !== undefined) appendFileSync(metrics, `${JSON.stringify(told)}\n`);
      last.push(line);
      if (last.length > 60) last.shift();
    }
  })();
  const group = (signal: "SIGTERM" | "SIGKILL"): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, signal);
    } catch {
      // Gone already.
    }
  };
  // Asked once, an engine that can save does; asked twice, nothing of it is left running.
  const atOnce = (): void => {
    group("SIGKILL");
    process.exit(exit.failed);
  };
  const end = (): void => {
    child.kill("SIGTERM");
    for (const signal of stopSignals) process.once(signal, atOnce);
  };
  if (run.stop?.aborted === true) end();
  run.stop?.addEventListener("abort", end, { once: true });
  const seen: StepMetrics[] = [];
  let ended = false;
  const result = child.then((r) => {
    ended = true;
    return r;
  });
  while (!ended) {
    await Promise.race([result, new Promise((r) => setTimeout(r, 200))]);
    for (const step of tail.read()) {
      seen.push(step);
      yield { kind: "step", stage: stage.name, metrics: step };
    }
  }
  const { exitCode, signal } = await result;
  await pump.catch(() => undefined);
  file.end();
  run.stop?.removeEventListener("abort", end);
  for (const signal of stopSignals) process.off(signal, atOnce);
  for (const step of tail.read()) {
    seen.push(step);
    yield { kind: "step", stage: stage.name, metrics: step };
  }
  // A stop that was asked for: what came before it counts.
  if (run.stop?.aborted === true) {
    group("SIGTERM");
    yield { kind: "message", level: "info", text: `${stage.name}: stopped at step ${seen.at(-1)?.step ?? startStep}` };
  } else if (exitCode !== 0 || signal !== undefined) throw new EngineFailure(failure(stage, last, log, signal));
  return summarise(stage, seen);
}

/** The last line of a Python traceback says what went wrong; memory has a hint of its own. */
function failure(stage: StagePlan, last: readonly string[], log: string, signal: string | undefined): Diagnostic {
  // The launcher's own error only says that a worker had one.
  const words = last.map((l) => l.replace(/^\s*(\[\w+\]:)?\s*/, "")).filter((l) => l !== "");
  const reason =
    words.findLast((l) => /^(\S*Error|\S+Exception|llmp:|SystemExit)\b/.test(l) && !/ChildFailedError/.test(l)) ??
    (signal === undefined ? words.at(-1) : `stopped by ${signal}`) ??
    "no output";
  const memory = last.some((l) => /out of memory|OutOfMemory|MemoryError/i.test(l));
  return emitCodes.report(
    "LLMP5102",
    undefined,
    { engine: stage.engine, stage: stage.name, reason: reason.slice(0, 200) },
    {
      hints: [
        ...(memory ? ["the device's memory is full: plan with budget { memory < 85% }, or a smaller micro_batch"] : []),
        `the whole output is in ${log}`,
      ],
    },
  );
}

function summarise(stage: StagePlan, steps: readonly StepMetrics[]): Summary {
  // The first step compiles and warms up; the median of the others is what the plan predicts.
  const times = steps
    .slice(1)
    .map((s) => s.step_seconds)
    .sort((a, b) => a - b);
  const seconds = times[Math.floor(times.length / 2)] ?? steps[0]?.step_seconds ?? 0;
  const tokens = stage.global_batch * stage.context_length;
  return {
    name: stage.name,
    backend: stage.engine,
    predicted: { peak_bytes: stage.memory.peak_bytes, step_seconds: stage.time.step_seconds },
    measured: {
      peak_bytes: Math.max(0, ...steps.map((s) => s.peak_bytes)),
      step_seconds: seconds,
      tokens_per_second: seconds > 0 ? tokens / seconds : 0,
    },
    first_loss: steps[0]?.loss ?? Number.NaN,
    final_loss: steps.at(-1)?.loss ?? Number.NaN,
    steps: steps.length,
  };
}

/** Whole lines that were added to a file since the last look. */
class Tail {
  #at = 0;
  #rest = "";
  constructor(readonly path: string) {}

  /** Passes over what is there; gives the last step in it. */
  skip(): number {
    return this.read().at(-1)?.step ?? 0;
  }

  read(): StepMetrics[] {
    if (!existsSync(this.path)) return [];
    const fd = openSync(this.path, "r");
    try {
      const buffer = Buffer.alloc(1 << 16);
      for (;;) {
        const got = readSync(fd, buffer, 0, buffer.length, this.#at);
        if (got === 0) break;
        this.#at += got;
        this.#rest += buffer.toString("utf8", 0, got);
      }
    } finally {
      closeSync(fd);
    }
    const lines = this.#rest.split("\n");
    this.#rest = lines.pop() ?? "";
    return lines.filter((l) => l !== "").map((l) => JSON.parse(l) as StepMetrics);
  }
}
