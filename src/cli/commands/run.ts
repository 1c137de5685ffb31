import { basename, dirname, join, resolve } from "node:path";
import { Command } from "commander";
import { objectiveByName } from "../../catalog/index.js";
import type { Plan } from "../../planner/plan.js";
import type { RunOptions } from "../../runtime/index.js";
import type { RunEvent, RunSummary } from "../../runtime/types.js";
import { formatBytes, formatCount, formatDeviation, formatNumber, formatSeconds } from "../../units/index.js";
import { reported } from "../failures.js";
import { examples } from "../help.js";
import { answer, answerJson, Exit, exit, note, usage } from "../output.js";
import { loadPlan } from "../plan/input.js";
import { table } from "../tables.js";

interface Options {
  readonly backend?: string;
  readonly steps?: string;
  readonly resume?: boolean | string;
  readonly set?: readonly string[];
  readonly json?: boolean;
  readonly yes?: boolean;
  readonly detach?: boolean;
  readonly suffix?: string;
  readonly rehearse?: boolean;
}

const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value];

/** `llmp run FILE|PLAN` */
export function command(): Command {
  return examples(
    new Command("run")
      .description("Run a plan: on this machine, or (with --yes) on SageMaker")
      .argument("[file]", "a .llmp file, or a plan.json")
      .option(
        "--backend <name>",
        "tensorflow-gpu, tensorflow, webgpu, wasm or cpu; the file's, or the best there is, unless given",
      )
      .option("--steps <count>", "stop every stage after so many steps")
      .option("--resume [run]", "go on from the last checkpoint; with --yes as a new job on SageMaker")
      .option("--set <name=value>", "set a param or a key", collect, [])
      .option("--rehearse", "prove a layout, any cluster's: the plan shrunk to workers of this machine")
      .option("--json", "print the summary as JSON")
      .option("--yes", "really submit to a remote cluster; without it, say what would be created")
      .option("--detach", "do not follow a submitted job")
      .option("--suffix <text>", "of a submitted job's name, to run the same plan again")
      .action((file: string | undefined, options: Options) => reported(() => runCommand(file, options))),
    ["llmp run examples/shakespeare.llmp --steps 20 --json", "llmp run examples/llama3-8b-domain.llmp --rehearse"],
  );
}

async function runCommand(file: string | undefined, options: Options): Promise<void> {
  const steps = options.steps === undefined ? undefined : Number(options.steps);
  if (steps !== undefined && !(Number.isInteger(steps) && steps > 0))
    throw usage(`--steps ${options.steps} is not a whole number above 0`);
  const plan = await loadPlan(file, {
    ...(options.set === undefined ? {} : { set: options.set }),
    ...(options.backend === undefined ? {} : { backend: options.backend }),
  });
  if (options.rehearse === true) {
    const { rehearsePlan } = await import("../rehearsal.js");
    await rehearsePlan(plan, options.json === true);
    return;
  }
  const root = dirname(resolve(plan.source));
  const name =
    typeof options.resume === "string" ? basename(options.resume) : basename(plan.source).replace(/\.llmp$/, "");
  const folder = join(root, "runs", name);
  const { runsRemote, runRemote } = await import("../remote/index.js");
  if (runsRemote(plan)) {
    const { detach = false, suffix } = options;
    await runRemote(plan, {
      root,
      folder,
      yes: options.yes === true,
      detach,
      say: note,
      resume: options.resume !== undefined && options.resume !== false,
      ...(suffix === undefined ? {} : { suffix }),
    });
    return;
  }
  const controller = new AbortController();
  // Once: save and stop. Twice: the default, at once.
  const onSignal = (): void => {
    note("stopping after this step; once more to stop at once");
    controller.abort();
  };
  process.once("SIGINT", onSignal);
  process.once("SIGTERM", onSignal);
  // A closed terminal: an engine's processes must not go on alone.
  process.once("SIGHUP", onSignal);
  const run = await runnerOf(plan, options.backend);
  let summary: RunSummary | undefined;
  let steps_ = 0;
  const gauges = new Map(plan.stages.map((s) => [s.name, objectiveByName(s.objective)?.gauge]));
  try {
    for await (const event of run(plan, {
      root,
      folder,
      stop: controller.signal,
      resume: options.resume !== undefined && options.resume !== false,
      ...(options.backend === undefined ? {} : { backend: options.backend }),
      ...(steps === undefined ? {} : { steps }),
    })) {
      if (event.kind === "stage") steps_ = event.steps;
      if (event.kind === "done") summary = event.summary;
      show(event, steps_, gauges);
    }
  } finally {
    process.off("SIGINT", onSignal);
    process.off("SIGTERM", onSignal);
    process.off("SIGHUP", onSignal);
  }
  if (summary === undefined) throw new Exit(exit.failed);
  if (options.json === true) answerJson(summary);
  else answer(planned(summary));
}

/** Our own runtime, or another engine on this machine. */
async function runnerOf(
  plan: Plan,
  backend: string | undefined,
): Promise<(plan: Plan, options: RunOptions) => AsyncIterable<RunEvent>> {
  const { runEngine, runsOnEngine } = await import("../engine/run.js");
  if (runsOnEngine(plan) && backend !== undefined)
    throw usage("--backend is for llmp's own runtime", `this plan runs on ${plan.stages[0]?.engine}`);
  return runsOnEngine(plan) ? runEngine : (await import("../../runtime/index.js")).run;
}

/** One line a step in a pipe; on a terminal the line of the last step is written over. */
function show(event: RunEvent, steps: number, gauges: ReadonlyMap<string, string | undefined>): void {
  switch (event.kind) {
    case "stage":
      note(`${event.stage}: ${event.steps} steps on ${event.backend}, from step ${event.startStep}`);
      return;
    case "step": {
      const m = event.metrics;
      const gauge = gauges.get(event.stage);
      const value = m.extra?.[gauge ?? ""];
      const left = (steps - m.step) * m.step_seconds;
      const line = [
        `${event.stage} ${m.step}/${steps}`,
        `loss ${m.loss.toFixed(4)}`,
        gauge === undefined || value === undefined ? "" : `${gauge.replaceAll("_", " ")} ${value.toFixed(3)}`,
        `${formatCount(m.tokens_per_second)} tokens/s`,
        m.peak_bytes > 0 ? formatBytes(m.peak_bytes) : "",
        left > 0 ? `${formatSeconds(left)} left` : "",
      ]
        .filter((part) => part !== "")
        .join("  ");
      if (process.stderr.isTTY === true) process.stderr.write(`\r\u001b[K${line}`);
      else if (m.step === 1 || m.step % 10 === 0 || m.step === steps) note(line);
      if (process.stderr.isTTY === true && m.step === steps) process.stderr.write("\n");
      return;
    }
    case "evaluate":
      for (const [name, loss] of Object.entries(event.losses))
        note(`${event.stage} ${event.step}  held-out ${name} ${formatNumber(loss, 4)}`);
      return;
    case "checkpoint":
      note(`${event.stage} ${event.step}  saved`);
      return;
    case "message":
      note(event.text);
  }
}

function planned(summary: RunSummary): string {
  const rows = summary.stages.flatMap((s) => [
    [
      s.name,
      "peak memory",
      formatBytes(s.predicted.peak_bytes),
      ...(s.measured.peak_bytes > 0
        ? [formatBytes(s.measured.peak_bytes), formatDeviation(s.predicted.peak_bytes, s.measured.peak_bytes)]
        : ["unknown", ""]),
    ],
    [
      "",
      "step",
      formatSeconds(s.predicted.step_seconds),
      formatSeconds(s.measured.step_seconds),
      formatDeviation(s.predicted.step_seconds, s.measured.step_seconds),
    ],
    ["", "tokens/s", "", formatCount(s.measured.tokens_per_second), ""],
    ["", "loss", formatNumber(s.first_loss, 4), formatNumber(s.final_loss, 4), ""],
  ]);
  return table(["stage", "", "planned", "measured", "off by"], rows);
}
