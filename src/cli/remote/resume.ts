/**
 * Going on with a job that ended early. SageMaker cannot restart a training job: the same request is made again under
 * another name, with the same checkpoint prefix, and the engine goes on from what lies there. A pipeline execution is
 * retried from the step that failed.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { emitCodes } from "../../diagnostics/index.js";
import type { Plan } from "../../planner/plan.js";
import { RemoteFailure } from "./errors.js";
import { type Remote, status } from "./sagemaker.js";

const cannot = (run: string, reason: string, hint: string): RemoteFailure =>
  new RemoteFailure(emitCodes.report("LLMP5112", undefined, { run, reason }, { hints: [hint] }));

/** `r2` for the second job of a plan, and so on: a training job's name is used once. */
export const nextSuffix = (id: string): string => `r${Number(/-r(\d{1,4})$/.exec(id)?.[1] ?? 1) + 1}`;

/** The job of a run folder, if it was made from this very plan: job names and checkpoint prefixes hold the plan's hash. */
export function earlierJob(plan: Plan, folder: string, remote: Remote | undefined): Remote {
  if (remote === undefined)
    throw cannot(folder, "it has no submitted job", "without --resume, llmp run --yes starts one");
  let before: Partial<Plan> = {};
  const file = join(folder, "plan.json");
  try {
    before = JSON.parse(readFileSync(file, "utf8")) as Partial<Plan>;
  } catch {
    throw cannot(folder, "its plan.json cannot be read", "without --resume, llmp run --yes starts anew");
  }
  if (before.hash !== plan.hash)
    throw cannot(
      folder,
      `job ${remote.id} was made from another plan than this one, whose checkpoints lie elsewhere`,
      `llmp run ${file} --resume goes on with that plan; without --resume, this one starts anew`,
    );
  return remote;
}

/** Two jobs must never write to one checkpoint prefix, and one that is done has nothing left to do. */
export async function checkEnded(folder: string, remote: Remote): Promise<void> {
  const now = await status(remote);
  if (now.state === "running")
    throw cannot(folder, `${remote.id} has not ended (${now.text})`, "llmp logs -f follows it, llmp stop ends it");
  if (now.state === "done")
    throw cannot(folder, `${remote.id} is done`, "to train again: llmp run --yes --suffix again, without --resume");
}
