/** `llmp run` on a remote cluster: a dry run unless `--yes`; the run folder remembers what was submitted. */

import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { emitCodes } from "../../diagnostics/index.js";
import { writeWhole } from "../../files/index.js";
import type { Plan } from "../../planner/plan.js";
import { RemoteFailure } from "./errors.js";
import { checkEnded, earlierJob, nextSuffix } from "./resume.js";
import { describe, follow, logs, prepare, type Remote, retryPipeline, status, submit } from "./sagemaker.js";

export { RemoteFailure, redact } from "./errors.js";
export { describe, follow, logs, prepare, type Remote, status, stop, submit } from "./sagemaker.js";

export interface RemoteRunOptions {
  readonly root: string;
  readonly folder: string;
  /** Really submit. */
  readonly yes: boolean;
  /** Return once the job is created. */
  readonly detach?: boolean;
  readonly signal?: AbortSignal;
  /** Seconds between looks. */
  readonly poll?: number;
  readonly say: (line: string) => void;
  /** Name suffix: makes a second job of the same plan possible. */
  readonly suffix?: string;
  /** Go on with the folder's last job from its checkpoints. */
  readonly resume?: boolean;
}

/** True where this module can submit: all stages on SageMaker training jobs. */
export const runsRemote = (plan: Plan): boolean =>
  plan.stages.length > 0 && plan.stages.every((s) => s.cluster.provider !== "local");

export async function runRemote(plan: Plan, options: RemoteRunOptions): Promise<Remote | undefined> {
  const other = plan.stages.find((s) => s.cluster.provider !== "sagemaker");
  if (other !== undefined)
    throw new RemoteFailure(
      emitCodes.report(
        "LLMP5005",
        undefined,
        { target: "run", cluster: other.cluster.name, provider: other.cluster.provider },
        {
          hints: [
            `llmp submits SageMaker training jobs itself; for ${other.cluster.provider} use llmp emit, whose README has the command`,
          ],
        },
      ),
    );
  const { folder, say } = options;
  const before = options.resume === true ? earlierJob(plan, folder, remoteOf(folder)) : undefined;
  const suffix = options.suffix ?? (before?.kind === "training-job" ? nextSuffix(before.id) : undefined);
  const submission = await prepare(plan, options.root, suffix);
  if (before?.kind === "pipeline") say(`resume    execution ${before.id}, from the step that failed`);
  else {
    say(describe(submission));
    if (before !== undefined)
      say(`resume    ${before.id}, from its last checkpoint in ${submission.job?.CheckpointConfig?.S3Uri}`);
  }
  if (!options.yes) {
    say("nothing was created; --yes submits it");
    return undefined;
  }
  if (before !== undefined) await checkEnded(folder, before);
  const remote = before?.kind === "pipeline" ? await retryPipeline(before) : await submit(submission, say);
  mkdirSync(options.folder, { recursive: true });
  writeWhole(join(options.folder, "plan.json"), `${JSON.stringify(plan, null, 2)}\n`);
  writeWhole(join(options.folder, "remote.json"), `${JSON.stringify(remote, null, 2)}\n`);
  say(before?.kind === "pipeline" ? `retried ${remote.id}` : `created ${remote.id}`);
  if (options.detach !== true) await follow(remote, (s) => options.say(s.text), options.poll, options.signal);
  return remote;
}

/** The last lines of a job's output, and (with `follow`) the next ones until it ends. */
export async function printLogs(
  remote: Remote,
  options: { readonly follow: boolean; readonly lines: number; readonly print: (line: string) => void },
): Promise<void> {
  if (remote.kind === "pipeline") {
    options.print(`pipeline execution ${remote.id}: ${(await status(remote)).text}; its jobs' output is in CloudWatch`);
    return;
  }
  let all = await logs(remote);
  for (const { text } of all.slice(Math.max(0, all.length - options.lines))) options.print(text.trimEnd());
  while (options.follow && (await status(remote)).state === "running") {
    await new Promise((done) => setTimeout(done, 5000));
    const after = (all.at(-1)?.at ?? 0) + 1;
    const more = await logs(remote, after);
    for (const { text } of more) options.print(text.trimEnd());
    all = more.length > 0 ? more : all;
  }
  options.print(`${remote.id}: ${(await status(remote)).text}`);
}

/** The remote job of a run folder, where it has one: for `llmp runs`, `logs`, `stop` and resuming to follow it. */
export function remoteOf(folder: string): Remote | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, "remote.json"), "utf8")) as Remote;
  } catch {
    return undefined;
  }
}
