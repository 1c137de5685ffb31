import { Command } from "commander";
import { findRun, type RunInfo, readRun, runFolders } from "../../runtime/metrics/index.js";
import { formatBytes, formatCount, formatDeviation, formatNumber, formatSeconds } from "../../units/index.js";
import { reported } from "../failures.js";
import { examples } from "../help.js";
import { answer } from "../output.js";
import { table } from "../tables.js";

/** `llmp runs [RUN]` */
export function command(): Command {
  return examples(
    new Command("runs")
      .description("List runs, or show one with what was planned and measured")
      .argument("[run]", "name or folder of a run")
      .option("--json", "print JSON")
      .action((name: string | undefined, options: { json?: boolean }) =>
        reported(async () => {
          const json = options.json === true;
          answer(name === undefined ? list(json) : show(findRun(process.cwd(), name), json));
        }),
      ),
    ["llmp runs", "llmp runs shakespeare --json"],
  );
}

/** Seconds left of the stage that is running, by the median of its last steps. */
function secondsLeft(run: RunInfo): number | undefined {
  const stage = run.stages.at(-1);
  const last = stage?.metrics.at(-1);
  if (!run.alive || stage?.steps === undefined || last === undefined) return undefined;
  const recent = stage.metrics
    .slice(-20)
    .map((m) => m.step_seconds)
    .sort((a, b) => a - b);
  return Math.max(0, stage.steps - stage.metrics.length) * (recent[Math.floor(recent.length / 2)] ?? 0);
}

const jsonText = (value: unknown): string => JSON.stringify(value, null, 2);

interface Brief {
  readonly name: string;
  readonly folder: string;
  readonly status: RunInfo["status"];
  readonly started?: string;
  readonly pid?: number;
  readonly reason?: string;
  readonly stage?: string;
  readonly step?: number;
  readonly steps?: number | null;
  readonly loss?: number;
  readonly tokens_per_second?: number;
  readonly seconds_left?: number;
}

function brief(run: RunInfo): Brief {
  const stage = run.stages.at(-1);
  const last = stage?.metrics.at(-1);
  const left = secondsLeft(run);
  return {
    name: run.name,
    folder: run.folder,
    status: run.status,
    ...(run.record === undefined ? {} : { started: run.record.started, pid: run.record.pid }),
    ...(run.record?.reason === undefined ? {} : { reason: run.record.reason }),
    ...(stage === undefined ? {} : { stage: stage.name }),
    ...(last === undefined || stage === undefined
      ? {}
      : { step: last.step, steps: stage.steps ?? null, loss: last.loss, tokens_per_second: last.tokens_per_second }),
    ...(left === undefined ? {} : { seconds_left: left }),
  };
}

function list(json: boolean): string {
  const all = runFolders(process.cwd()).map(readRun).map(brief);
  if (json) return jsonText({ schema: "llmp.runs/1", runs: all });
  if (all.length === 0) return "no runs here yet: start one with `llmp run FILE`";
  return table(
    ["run", "status", "stage", "step", "loss", "tokens/s", "left", "started"],
    all.map((r) => [
      r.name,
      r.status,
      r.stage ?? "",
      r.step === undefined
        ? ""
        : `${formatCount(r.step)}${r.steps === null || r.steps === undefined ? "" : ` of ${formatCount(r.steps)}`}`,
      r.loss === undefined ? "" : formatNumber(r.loss, 4),
      r.tokens_per_second === undefined ? "" : formatCount(r.tokens_per_second),
      r.seconds_left === undefined ? "" : formatSeconds(r.seconds_left),
      r.started === undefined ? "" : `${r.started.slice(0, 16).replace("T", " ")} UTC`,
    ]),
  );
}

function show(run: RunInfo, json: boolean): string {
  if (json) return jsonText({ schema: "llmp.run/1", ...brief(run), summary: run.summary ?? null });
  const head = `${run.name}: ${run.status}${run.record?.reason === undefined ? "" : ` (${run.record.reason})`}, ${run.folder}`;
  const stages = run.summary?.stages ?? [];
  if (stages.length === 0) {
    const last = run.stages.at(-1)?.metrics.at(-1);
    const state =
      last === undefined ? "no steps yet" : `step ${formatCount(last.step)}, loss ${formatNumber(last.loss, 4)}`;
    return `${head}\n${state}`;
  }
  return `${head}\n\n${table(
    [
      "stage",
      "backend",
      "steps",
      "loss",
      "peak planned",
      "measured",
      "off",
      "step planned",
      "measured",
      "off",
      "tokens/s",
    ],
    stages.map((s) => [
      s.name,
      s.backend,
      formatCount(s.steps),
      `${formatNumber(s.first_loss, 3)} → ${formatNumber(s.final_loss, 3)}`,
      formatBytes(s.predicted.peak_bytes),
      formatBytes(s.measured.peak_bytes),
      formatDeviation(s.predicted.peak_bytes, s.measured.peak_bytes),
      formatSeconds(s.predicted.step_seconds),
      formatSeconds(s.measured.step_seconds),
      formatDeviation(s.predicted.step_seconds, s.measured.step_seconds),
      formatCount(s.measured.tokens_per_second),
    ]),
  )}`;
}
