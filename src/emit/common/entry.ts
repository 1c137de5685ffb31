/**
 * `engine/entry.sh`: the same on every platform. It finds out where it runs, links inputs into a working folder, installs
 * what the engine needs, starts the launcher on this node, and copies results out.
 */

import type { Dataset } from "../../checker/pipeline.js";
import type { Plan } from "../../planner/plan.js";
import type { EngineBundle } from "../engines/types.js";
import type { EmittedFile } from "../types.js";
import { json, sh } from "./quote.js";
import { previousStage, type StageView, stringOption, viewStage } from "./stage.js";

/** Something that a job reads: `name` is its folder in the working folder and its channel. */
export interface Input {
  /** `data-<dataset>`, `model`, `teacher`, `reference`, `tokenizer`. */
  readonly channel: string;
  /** In the working folder. */
  readonly folder: string;
  /** `s3://…` (a prefix without glob), a path on this machine, or the stage whose output it is. */
  readonly from: string;
  readonly kind: "s3" | "local" | "stage";
}

/** The folder part of a path or glob: what can be mounted or copied. */
export function folderOf(source: string): string {
  const glob = source.search(/[*?[{]/);
  const fixed = glob < 0 ? source : source.slice(0, glob);
  if (glob < 0 && !/\.[A-Za-z0-9]+$/.test(fixed.split("/").pop() ?? "")) return fixed;
  return fixed.slice(0, fixed.lastIndexOf("/") + 1);
}

/** Where `llmp data build -o` put the stages' rows, for a plan that `withPrepared` made. */
export function preparedOf(view: StageView): { readonly prepared?: string } {
  const value = view.cluster.options.prepared?.value;
  return typeof value === "string" ? { prepared: value.replace(/\/+$/, "") } : {};
}

/** The plan with every stage reading `<folder>/<stage>/` instead of its datasets. A folder on this machine, or `s3://…`. */
export function withPrepared(plan: Plan, folder: string): Plan {
  const option = { value: folder, from: "set" } as const;
  const clusters = Object.entries(plan.pipeline.clusters).map(
    ([name, cluster]) => [name, { ...cluster, options: { ...cluster.options, prepared: option } }] as const,
  );
  return { ...plan, pipeline: { ...plan.pipeline, clusters: Object.fromEntries(clusters) } };
}

/** The distinct folders of a dataset's sources, in order: one channel each. */
export const sourceFolders = (dataset: Dataset): string[] => [...new Set(dataset.source.value.map(folderOf))];

const kindOf = (path: string): "s3" | "local" => (path.startsWith("s3://") ? "s3" : "local");

export function inputs(view: StageView): Input[] {
  const { prepared } = preparedOf(view);
  // What an evaluation holds out is read from the datasets themselves.
  const raw = prepared === undefined || view.evaluateSteps !== undefined ? view.datasets : [];
  const list: Input[] = raw.flatMap((dataset) => {
    const folders = sourceFolders(dataset);
    // A dot cannot be in a dataset's name: channels of two datasets never meet.
    return folders.map((from, i) => ({
      channel: `data-${dataset.name.slice(0, 48)}${folders.length > 1 ? `.${i + 1}` : ""}`,
      folder: `data/${dataset.name}${folders.length > 1 ? `/${i + 1}` : ""}`,
      from,
      kind: kindOf(from),
    }));
  });
  if (prepared !== undefined)
    list.push({
      channel: "prepared",
      folder: "data",
      from: `${prepared}/${view.stage.name}/`,
      kind: kindOf(prepared),
    });
  const add = (channel: string, path: string | undefined): void => {
    if (path !== undefined) list.push({ channel, folder: channel, from: path, kind: kindOf(path) });
  };
  const before = previousStage(view);
  if (before !== undefined) list.push({ channel: "model", folder: "model", from: before.stage.name, kind: "stage" });
  else add("model", view.model.weights?.value);
  // Teacher and reference are models with weights of their own, or earlier stages.
  for (const role of ["teacher", "reference"] as const) {
    const name = stringOption(view, role);
    const stage = view.plan.stages.find((s) => s.name === name);
    if (stage !== undefined) list.push({ channel: role, folder: role, from: stage.name, kind: "stage" });
    else add(role, view.plan.pipeline.models[name ?? ""]?.weights?.value);
  }
  if (view.tokenizer?.kind.value === "bpe" && view.tokenizer.file !== undefined) {
    const file = view.tokenizer.file.value;
    add("tokenizer", file.slice(0, file.lastIndexOf("/") + 1) || "./");
  }
  return list;
}

/** Inputs that are outputs of earlier stages, with those stages. */
export const stageLinks = (view: StageView): { readonly channel: string; readonly of: StageView }[] =>
  inputs(view).flatMap((input) => {
    const at = input.kind === "stage" ? view.plan.stages.findIndex((s) => s.name === input.from) : -1;
    return at < 0 ? [] : [{ channel: input.channel, of: viewStage(view.plan, at) }];
  });

/** What stage `index` of a plan reads. */
export const stageInputs = (plan: Plan, index: number): Input[] => inputs(viewStage(plan, index));

const python = (command: readonly string[]): string =>
  command.map((word, i) => (i === 0 && word === "python" ? '"$PYTHON"' : sh(word))).join(" ");

function launch(bundle: EngineBundle, view: StageView, command: readonly string[]): string {
  const words = command.map(sh).join(" ");
  if (bundle.launcher === "python") return `  [ "$NODE_RANK" != 0 ] || run "$PYTHON" ${words}`;
  if (bundle.launcher === "torchrun")
    return [
      `  run "$PYTHON" -m torch.distributed.run --nnodes "$NNODES" --node_rank "$NODE_RANK" --nproc_per_node "$NPROC" \\`,
      `    --master_addr "$MASTER_ADDR" --master_port "$MASTER_PORT" ${words}`,
    ].join("\n");
  if (view.stage.cluster.accelerators === 1) return `  run "$PYTHON" ${words}`;
  return [
    `  run "$PYTHON" -m accelerate.commands.launch --config_file accelerate.yaml --num_machines "$NNODES" \\`,
    `    --num_processes "$((NNODES * NPROC))" --machine_rank "$NODE_RANK" --main_process_ip "$MASTER_ADDR" \\`,
    `    --main_process_port "$MASTER_PORT" ${words}`,
  ].join("\n");
}

/** Everything under `engine/` of a stage. */
export function engineFiles(view: StageView, bundle: EngineBundle): EmittedFile[] {
  const prefix = `${view.folder}engine/`;
  return [
    { path: `${prefix}entry.sh`, text: entryScript(view, bundle), executable: true },
    { path: `${prefix}requirements.txt`, text: `${bundle.requirements.join("\n")}\n` },
    { path: `${prefix}stage.json`, text: json(describe(view)) },
    ...bundle.files.map((file) => ({ ...file, path: `${prefix}${file.path}` })),
  ];
}

/** What the stage is, for people and for `llmp run`: figures of the plan beside what will be measured. */
const describe = (view: StageView): unknown => ({
  plan: view.plan.hash,
  stage: view.stage.name,
  engine: view.stage.engine,
  steps: view.stage.steps,
  predicted: { peak_bytes: view.stage.memory.peak_bytes, step_seconds: view.stage.time.step_seconds },
  inputs: inputs(view),
});

export function entryScript(view: StageView, bundle: EngineBundle): string {
  const list = inputs(view);
  const env = Object.entries(bundle.env).map(([name, value]) => `export ${name}=\${${name}:-${sh(value)}}`);
  const s3 = list.filter((i) => i.kind === "s3");
  return `#!/usr/bin/env bash
# Runs stage ${view.stage.name} on this node. Written by llmp. The same on SageMaker, Batch, Kubernetes, Slurm and one machine.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
PYTHON="\${PYTHON:-python}"

# Where am I: how many nodes, which one, who is first.
sagemaker=/opt/ml/input/config/resourceconfig.json
if [ -f "$sagemaker" ]; then
  NNODES="$("$PYTHON" -c 'import json,sys; print(len(json.load(open(sys.argv[1]))["hosts"]))' "$sagemaker")"
  NODE_RANK="$("$PYTHON" -c 'import json,sys; r=json.load(open(sys.argv[1])); print(sorted(r["hosts"]).index(r["current_host"]))' "$sagemaker")"
  MASTER_ADDR="$("$PYTHON" -c 'import json,sys; print(sorted(json.load(open(sys.argv[1]))["hosts"])[0])' "$sagemaker")"
  LLMP_INPUT="\${LLMP_INPUT:-/opt/ml/input/data}"
  LLMP_OUTPUT="\${LLMP_OUTPUT:-/opt/ml/model}"
  LLMP_CHECKPOINTS="\${LLMP_CHECKPOINTS:-/opt/ml/checkpoints}"
elif [ -n "\${AWS_BATCH_JOB_NUM_NODES:-}" ]; then
  NNODES="$AWS_BATCH_JOB_NUM_NODES"
  NODE_RANK="$AWS_BATCH_JOB_NODE_INDEX"
  MASTER_ADDR="\${AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS:-$(hostname -i | cut -d' ' -f1)}"
elif [ -n "\${SLURM_JOB_NUM_NODES:-}" ]; then
  NNODES="$SLURM_JOB_NUM_NODES"
  NODE_RANK="\${SLURM_NODEID:-0}"
  MASTER_ADDR="\${MASTER_ADDR:-127.0.0.1}"
elif [ -n "\${PET_NNODES:-}" ]; then
  NNODES="\${PET_NNODES%%:*}"
  NODE_RANK="\${PET_NODE_RANK:-\${RANK:-0}}"
elif [ -n "\${WORLD_SIZE:-}" ] && [ -n "\${RANK:-}" ]; then
  NNODES="$WORLD_SIZE"
  NODE_RANK="$RANK"
fi
NNODES="\${NNODES:-1}"
NODE_RANK="\${NODE_RANK:-0}"
MASTER_ADDR="\${MASTER_ADDR:-\${PET_MASTER_ADDR:-127.0.0.1}}"
MASTER_PORT="\${MASTER_PORT:-\${PET_MASTER_PORT:-29500}}"
NPROC="\${NPROC:-${view.devicesPerNode}}"
LLMP_INPUT="\${LLMP_INPUT:-$here/../input}"
LLMP_OUTPUT="\${LLMP_OUTPUT:-$here/../output}"
LLMP_CHECKPOINTS="\${LLMP_CHECKPOINTS:-$here/../checkpoints}"
work="\${LLMP_WORK:-\${TMPDIR:-/tmp}/llmp-$(id -u)-${view.jobName}}"
${env.length === 0 ? "" : `${env.join("\n")}\n`}if [ "$NNODES" != ${view.nodes} ] || [ "$NPROC" != ${view.devicesPerNode} ]; then
  echo "llmp: the plan is for ${view.nodes} node(s) of ${view.devicesPerNode} device(s), this is $NNODES of $NPROC" >&2
  [ "\${LLMP_ANY_SIZE:-0}" = 1 ] || exit 1
fi

mkdir -p "$work/data" "$LLMP_OUTPUT" "$LLMP_CHECKPOINTS"
cp -R "$here/." "$work/"
cd "$work"
link() {
  rm -rf "$2"
  mkdir -p "$(dirname "$2")"
  ln -s "$1" "$2"
}
link "$(cd "$LLMP_OUTPUT" && pwd)" output
link "$(cd "$LLMP_CHECKPOINTS" && pwd)" checkpoints
${s3.map((i) => `[ -e "$LLMP_INPUT/${i.channel}" ] || aws s3 sync --only-show-errors ${sh(i.from)} "$LLMP_INPUT/${i.channel}"`).join("\n")}
${list
  .filter((i) => i.channel !== "prepared")
  .map((i) => `[ ! -e "$LLMP_INPUT/${i.channel}" ] || link "$(cd "$LLMP_INPUT/${i.channel}" && pwd)" ${i.folder}`)
  .join("\n")}
if [ -e "$LLMP_INPUT/prepared" ]; then
  ready="$(cd "$LLMP_INPUT/prepared" && pwd)"
  for file in "$ready"/*; do link "$file" "data/\${file##*/}"; done
fi
if [ ! -e tokenizer ] && [ -e data/tokenizer ]; then link "$PWD/data/tokenizer" tokenizer; fi
if [ ! -e tokenizer ] && [ -e model ]; then link "$PWD/model" tokenizer; fi
if [ -n "\${LLMP_CHECKPOINT_S3:-}" ]; then aws s3 sync --only-show-errors "$LLMP_CHECKPOINT_S3" checkpoints/; fi

if [ "\${LLMP_NO_INSTALL:-0}" != 1 ] && [ -s requirements.txt ]; then
  "$PYTHON" -m pip install --quiet --disable-pip-version-check -r requirements.txt
fi

if [ -n "\${LLMP_CHECKPOINT_S3:-}" ]; then
  (while sleep 60; do aws s3 sync --only-show-errors checkpoints/ "$LLMP_CHECKPOINT_S3" || true; done) &
  copier=$!
  # Also what was saved on the way out, when the machine is taken away.
  trap 'kill "$copier" 2>/dev/null || true; aws s3 sync --only-show-errors checkpoints/ "$LLMP_CHECKPOINT_S3"' EXIT
fi
# A stop is told to the engine, which may save before it ends; this script ends after it.
child=""
trap 'kill -TERM "$child" 2>/dev/null || true' TERM
run() {
  "$@" &
  child=$!
  code=0
  wait "$child" || code=$?
  while kill -0 "$child" 2>/dev/null; do
    code=0
    wait "$child" || code=$?
  done
  return "$code"
}
${(bundle.before ?? []).map((command) => `${python(command)}\n`).join("")}train() {
${bundle.commands.map((command) => launch(bundle, view, command)).join("\n")}
}
train
${(bundle.after ?? [])
  .map(
    (command) => `[ "$NODE_RANK" != 0 ] || ${python(command)}
`,
  )
  .join(
    "",
  )}if [ -n "\${LLMP_OUTPUT_S3:-}" ] && [ "$NODE_RANK" = 0 ]; then aws s3 sync --only-show-errors output/ "$LLMP_OUTPUT_S3"; fi
`;
}
