import { statSync } from "node:fs";
import { Command, Option } from "commander";
import { check, type ModelSpec, type Pipeline } from "../../checker/index.js";
import { nearest } from "../../diagnostics/index.js";
import { type BuildOptions, buildGraph, figuresOf } from "../../model/index.js";
import { parse } from "../../parser/index.js";
import { dot, mermaid } from "../graph/pictures.js";
import { graphTable } from "../graph/table.js";
import { examples } from "../help.js";
import { nodeHost } from "../host.js";
import { collect, loadPipeline } from "../load.js";
import { answer, answerJson, usage } from "../output.js";
import { listing } from "../things.js";

interface Options {
  readonly set?: readonly string[];
  readonly adapter?: string;
  readonly length?: string;
  readonly json?: boolean;
  readonly dot?: boolean;
  readonly mermaid?: boolean;
}

/** `llmp graph FILE [MODEL]` */
export function command(): Command {
  return examples(
    new Command("graph")
      .description(
        "Show a model op by op: parameters, FLOPs and bytes saved for the backward, of each op and kind of layer",
      )
      .argument("[file]", "a .llmp file, or the name of a bundled model")
      .argument("[model]", "a model of the file, or a stage (then with its adapter); the first stage's unless given")
      .option("--set <name=value>", "override a param or key; may be repeated", collect)
      .option("--adapter <name>", "with this adapter of the file")
      .option("--length <tokens>", "of sequences; the stage's or the model's context unless given")
      .addOption(new Option("--json", "print the graph and its figures as JSON").conflicts(["dot", "mermaid"]))
      .addOption(new Option("--dot", "print it for Graphviz").conflicts(["json", "mermaid"]))
      .addOption(new Option("--mermaid", "print it for Mermaid").conflicts(["json", "dot"]))
      .action(run),
    ["llmp graph llama3_8b", "llmp graph examples/moe-mixtral-like.llmp --dot | dot -Tsvg > graph.svg"],
  );
}

function run(file: string | undefined, name: string | undefined, options: Options): void {
  const bundled = name === undefined && file !== undefined ? bundledModel(file) : undefined;
  const pipeline = bundled ?? loadPipeline(file, { set: options.set ?? [] }).pipeline;
  const { spec, build, length } = choose(pipeline, bundled === undefined ? name : file, options);
  const graph = buildGraph(spec, build);
  if (options.dot === true) answer(dot(graph));
  else if (options.mermaid === true) answer(mermaid(graph));
  else {
    const figures = figuresOf(graph, length);
    if (options.json === true) answerJson({ ...graph, figures });
    else answer(graphTable(graph, figures));
  }
}

/** What `name` stands for where no file is called so. */
function bundledModel(name: string): Pipeline | undefined {
  if (statSync(name, { throwIfNoEntry: false }) !== undefined) return undefined;
  const found = listing("models").find((m) => m.name === name);
  if (found === undefined) return undefined;
  const source = { path: "bundled.llmp", text: `import "${found.json.import}"\n` };
  return check(parse(source).value, nodeHost()).value;
}

interface Chosen {
  readonly spec: ModelSpec;
  readonly build: BuildOptions;
  readonly length: number;
}

function choose(pipeline: Pipeline, name: string | undefined, options: Options): Chosen {
  const models = Object.keys(pipeline.models);
  const [only, another] = models;
  const [first] = pipeline.stages;
  const wanted = name ?? first?.name ?? (another === undefined ? only : undefined);
  if (wanted === undefined)
    throw usage(models.length === 0 ? "the file has no model" : "which model?", `it has ${models.join(", ")}`);
  const stage =
    name !== undefined && pipeline.models[name] !== undefined
      ? undefined
      : pipeline.stages.find((s) => s.name === wanted);
  const spec = pipeline.models[stage?.model.value ?? wanted];
  if (spec === undefined) {
    const near = nearest(wanted, [...models, ...pipeline.stages.map((s) => s.name)]);
    throw usage(
      `no model or stage is called \`${wanted}\``,
      near === undefined ? `models: ${models.join(", ")}` : `did you mean \`${near}\`?`,
    );
  }
  const adapterName = options.adapter ?? stage?.adapter?.value;
  const adapter = adapterName === undefined ? undefined : pipeline.adapters[adapterName];
  if (adapterName !== undefined && adapter === undefined)
    throw usage(
      `no adapter is called \`${adapterName}\``,
      `it has ${Object.keys(pipeline.adapters).join(", ") || "none"}`,
    );
  const context = stage?.contextLength.value;
  const length = options.length === undefined ? undefined : Number(options.length);
  if (length !== undefined && !(Number.isSafeInteger(length) && length > 0))
    throw usage(`--length ${options.length}: not a number of tokens`);
  return {
    spec,
    build: { ...(adapter === undefined ? {} : { adapter }), freeze: stage?.freeze.value ?? [] },
    length: length ?? (context?.kind === "fixed" ? context.value : spec.contextLength.value),
  };
}
