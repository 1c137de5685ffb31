import { setTimeout } from "node:timers/promises";
import { Command } from "commander";
import { findRun, isAlive, readRun } from "../../runtime/metrics/index.js";
import { reported } from "../failures.js";
import { examples } from "../help.js";
import { answer, Exit, exit, note, usage } from "../output.js";

/** `llmp stop [RUN]` */
export function command(): Command {
  return examples(
    new Command("stop")
      .description(
        "Stop a run on this machine; it saves a checkpoint first, and `llmp run --resume` goes on from there",
      )
      .argument("[run]", "name or folder of a run; the newest unless given")
      .option("--now", "without saving")
      .option("--wait <seconds>", "how long to wait for its last save", "60")
      .action((name: string | undefined, options: { now?: boolean; wait: string }) =>
        reported(() => stop(name, options.now === true, Number(options.wait))),
      ),
    ["llmp stop", "llmp stop shakespeare --now"],
  );
}

async function stop(name: string | undefined, now: boolean, seconds: number): Promise<void> {
  if (!(seconds >= 0)) throw usage("--wait takes a number of seconds");
  const run = findRun(process.cwd(), name);
  const remote = await import("../remote/index.js");
  const job = remote.remoteOf(run.folder);
  if (job !== undefined) {
    await remote.stop(job);
    answer(`asked AWS to stop ${job.id}; \`llmp run --resume --yes\` goes on from its last checkpoint`);
    return;
  }
  const { record } = run;
  if (record === undefined || !run.alive) {
    answer(`run ${run.name} is not running (${run.status})`);
    return;
  }
  process.kill(record.pid, now ? "SIGKILL" : "SIGTERM");
  const until = Date.now() + (now ? 5 : seconds) * 1000;
  note(now ? `killing run ${run.name}` : `run ${run.name} finishes its step and saves`);
  while (isAlive(record)) {
    if (Date.now() > until)
      throw new Exit(exit.failed, `run ${run.name} still runs after ${seconds} s`, [
        "`llmp stop --now` ends it without a save",
      ]);
    await setTimeout(100);
  }
  const last = readRun(run.folder).stages.at(-1)?.metrics.at(-1);
  answer(
    `run ${run.name} has ended${last === undefined ? "" : ` at step ${last.step}`}; go on with \`llmp run --resume ${run.name}\``,
  );
}
