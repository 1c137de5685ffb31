/** `submit.sh`: uploads the configuration and the inputs that are on this machine, then creates the job(s). */
import { inputs } from "../../common/entry.js";
import { findProject } from "../../common/project.js";
import { sh } from "../../common/quote.js";
import type { LoweredStage } from "../../common/target.js";
import { configUri, uploadedUri } from "./training-job.js";

export const shellHead = (what: string, stages: readonly LoweredStage[]): string[] => [
  "#!/usr/bin/env bash",
  `# ${what} Written by llmp.`,
  "set -euo pipefail",
  'here="$(cd "$(dirname "$0")" && pwd)"',
  ...findProject(stages.map(({ view }) => view)),
];

export function uploads(stages: readonly LoweredStage[], single: boolean): string[] {
  const lines: string[] = [];
  for (const { view } of stages) {
    const folder = single ? "$here" : `$here/${view.folder.replace(/\/$/, "")}`;
    lines.push(`aws s3 sync --only-show-errors --delete "${folder}/engine/" ${sh(configUri(view))}`);
    for (const input of inputs(view).filter((i) => i.kind === "local"))
      lines.push(`aws s3 sync --only-show-errors "$project/"${sh(input.from)} ${sh(uploadedUri(view, input))}`);
  }
  return lines;
}

export function submitScript(stages: readonly LoweredStage[], region: string | undefined): string {
  const single = stages.length === 1;
  const at = region === undefined ? "" : ` --region ${sh(region)}`;
  const create = single
    ? [`aws sagemaker create-training-job${at} --cli-input-json "file://$here/create-training-job.json"`]
    : [
        `aws sagemaker create-pipeline${at} --cli-input-json "file://$here/create-pipeline.json"`,
        `name="$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["PipelineName"])' "$here/create-pipeline.json")"`,
        `aws sagemaker start-pipeline-execution${at} --pipeline-name "$name"`,
      ];
  return `${[...shellHead("Uploads what the job reads and submits it.", stages), "", ...uploads(stages, single), ...create].join("\n")}\n`;
}
