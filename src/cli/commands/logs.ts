import { setTimeout } from "node:timers/promises";
import { Command } from "commander";
import { findRun, readRun } from "../../runtime/metrics/index.js";
import type { StepMetrics } from "../../runtime/types.js";
import { formatBytes, formatCount, formatNumber, formatSeconds } from "../../units/index.js";
import { reported } from "../failures.js";
import { examples } from "../help.js";
import { answer, complain, usage } from "../output.js";

interface Options {
  readonly lines: string;
  readonly follow?: boolean;
  readonly stage?: string;
  readonly json?: boolean;
}

/** `llmp logs [RUN]` */
export function command(): Command {
  return examples(
    new Command("logs")
      .description("Print the steps of a run, and go on while it runs")
      .argument("[run]", "name or folder of a run; the newest unless given")
      .option("-n, --lines <count>", "how many of the last steps, or all", "20")
      .option("-f, --follow", "wait for more until the run ends")
      .option("--stage <name>", "only this stage")
      .option("--json", "print the lines of metrics.jsonl")
      .action((name: string | undefined, options: Options) => reported(() => logs(name, options))),
    ["llmp logs -f", "llmp logs shakespeare --lines all --json"],
  );
}

const line = (stage: string, m: StepMetrics): string => {
  const parts = [
    `${stage} ${formatCount(m.step)}`,
    `loss ${formatNumber(m.loss, 4)}`,
    ...Object.entries(m.losses ?? {}).map(([name, loss]) => `${name} ${formatNumber(loss, 4)}`),
    ...Object.entries(m.extra ?? {}).map(([name, value]) => `${name} ${formatNumber(value, 3)}`),
    `lr ${formatNumber(m.lr, 3)}`,
    `norm ${formatNumber(m.grad_norm, 3)}`,
    `${formatCount(m.tokens_per_second)} tokens/s`,
    formatSeconds(m.step_seconds),
    formatBytes(m.peak_bytes),
  ];
  return parts.join("  ");
};

async function logs(name: string | undefined, options: Options): Promise<void> {
  const wanted = options.lines === "all" ? Number.POSITIVE_INFINITY : Number(options.lines);
  if (Number.isNaN(wanted) || wanted < 0) throw usage(`--lines ${options.lines} is neither a number nor \`all\``);
  let run = findRun(process.cwd(), name);
  const remote = await import("../remote/index.js");
  const job = remote.remoteOf(run.folder);
  if (job !== undefined) {
    await remote.printLogs(job, { follow: options.follow === true, lines: wanted, print: answer });
    return;
  }
  const rows = (): { stage: string; m: StepMetrics }[] =>
    run.stages
      .filter((s) => options.stage === undefined || s.name === options.stage)
      .flatMap((s) => s.metrics.map((m) => ({ stage: s.name, m })));
  if (options.stage !== undefined && !run.stages.some((s) => s.name === options.stage))
    throw usage(`run ${run.name} has no stage ${options.stage}`, `it has ${run.stages.map((s) => s.name).join(", ")}`);
  const print = ({ stage, m }: { stage: string; m: StepMetrics }) =>
    answer(options.json === true ? JSON.stringify({ stage, ...m }) : line(stage, m));
  let all = rows();
  for (const row of all.slice(Math.max(0, all.length - wanted))) print(row);
  let shown = all.length;
  while (options.follow === true && run.alive) {
    await setTimeout(500);
    run = readRun(run.folder);
    all = rows();
    for (const row of all.slice(shown)) print(row);
    shown = Math.max(shown, all.length);
  }
  if (run.status === "failed" || run.status === "killed")
    complain(`run ${run.name} ${run.status}${run.record?.reason === undefined ? "" : `: ${run.record.reason}`}`);
}
