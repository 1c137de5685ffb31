import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { Command, Option } from "commander";
import { runCodes } from "../../diagnostics/index.js";
import { hfConfigText, type Json } from "../../model/index.js";
import { findRun } from "../../runtime/metrics/index.js";
import { RunFailure } from "../../runtime/types.js";
import { openWeights, writeWeights } from "../../runtime/weights/index.js";
import { formatBytes } from "../../units/index.js";
import { reported } from "../failures.js";
import { examples } from "../help.js";
import { answer, answerJson, usage } from "../output.js";

interface Options {
  readonly dir: string;
  readonly stage?: string;
  readonly dtype: "fp32" | "bf16" | "fp16";
  readonly adapter?: boolean;
  readonly force?: boolean;
  readonly json?: boolean;
}

/** `llmp export RUN -d DIR` */
export function command(): Command {
  return examples(
    new Command("export")
      .description("Write a trained model as a Hugging Face folder: safetensors, config.json, tokenizer")
      .argument("[run]", "name or folder of a run; the newest unless given")
      .requiredOption("-d, --dir <folder>", "where to")
      .option("--stage <name>", "of which stage; the last unless given")
      .addOption(new Option("--dtype <type>", "of the weights").choices(["fp32", "bf16", "fp16"]).default("fp32"))
      .option("--adapter", "only the LoRA adapter, in PEFT's format")
      .option("--force", "replace a folder that is not empty")
      .option("--json", "print JSON")
      .action((name: string | undefined, options: Options) => reported(() => exportRun(name, options))),
    ["llmp export shakespeare -d bard", "llmp export local-lora --adapter -d sums-lora"],
  );
}

async function exportRun(name: string | undefined, options: Options): Promise<void> {
  const run = findRun(process.cwd(), name);
  const stages = run.stages.map((s) => s.name);
  if (options.stage !== undefined && !stages.includes(options.stage))
    throw usage(`run ${run.name} has no stage ${options.stage}`, `it has ${stages.join(", ")}`);
  const stage = options.stage ?? [...stages].reverse().find((s) => existsSync(path.join(run.folder, s, "final")));
  const source = path.join(run.folder, stage ?? "", "final", options.adapter === true ? "adapter" : "");
  if (stage === undefined || !existsSync(source))
    throw new RunFailure(
      runCodes.report(
        "LLMP6402",
        undefined,
        { name: run.name, what: options.adapter === true ? "adapter" : "finished stage" },
        {
          hints: options.adapter === true ? [] : [`it is ${run.status}: \`llmp run --resume\` finishes it`],
        },
      ),
    );
  const target = path.resolve(options.dir);
  if (existsSync(target) && readdirSync(target).length > 0 && options.force !== true)
    throw usage(`${options.dir} is not empty`, "--force replaces it");
  const temporary = `${target}.${process.pid}.partial`;
  rmSync(temporary, { recursive: true, force: true });
  mkdirSync(temporary, { recursive: true });
  try {
    for (const file of readdirSync(source))
      if (options.adapter === true || (file !== "adapter" && !/\.safetensors(\.index\.json)?$/.test(file)))
        cpSync(path.join(source, file), path.join(temporary, file), { recursive: true });
    if (options.adapter !== true) await weights(source, temporary, options.dtype);
    rmSync(target, { recursive: true, force: true });
    renameSync(temporary, target);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
  const files = readdirSync(target);
  const bytes = files.reduce((sum, file) => sum + statSync(path.join(target, file)).size, 0);
  if (options.json === true)
    answerJson({ schema: "llmp.export/1", run: run.name, stage, folder: target, files, bytes });
  else answer(`${options.dir}: ${files.join(", ")} (${formatBytes(bytes)}) from stage ${stage} of run ${run.name}`);
}

/** Tensor by tensor into the wanted type; `config.json` says which. */
async function weights(source: string, target: string, dtype: Options["dtype"]): Promise<void> {
  const store = openWeights(source);
  const tensors = [];
  for (const name of store.names()) {
    const tensor = await store.read(name);
    if (tensor !== undefined) tensors.push(tensor);
  }
  await store.close();
  writeWeights(target, tensors, { dtype: ({ fp32: "F32", bf16: "BF16", fp16: "F16" } as const)[dtype] });
  const file = path.join(target, "config.json");
  if (!existsSync(file)) return;
  const config = JSON.parse(readFileSync(file, "utf8")) as Record<string, Json>;
  const key = "torch_dtype" in config ? "torch_dtype" : "dtype";
  config[key] = { fp32: "float32", bf16: "bfloat16", fp16: "float16" }[dtype];
  writeFileSync(file, hfConfigText(config));
}
