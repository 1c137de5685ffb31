/** Every block into its place in the pipeline. What is wrong has been reported and is left out. */
import { type BlockSpec, blockByKeyword } from "../schema/index.js";
import { datasetOf, mixOf, mixOfOne, tokenizerOf } from "./blocks/data.js";
import { modelSpec } from "./blocks/model.js";
import {
  adapterOf,
  budgetOf,
  clusterOf,
  hardwareOf,
  localMachine,
  precisionOf,
  presetPrecision,
  rewardOf,
} from "./blocks/small.js";
import { stageOf } from "./blocks/stage.js";
import type { Context } from "./context.js";
import { checkDuplicates } from "./entries.js";
import { effectiveEntries, lineage, predefinedParent } from "./inherit.js";
import { orderStages } from "./order.js";
import type { ModelSpec, Pipeline, Stage } from "./pipeline.js";
import { localCluster } from "./predefined.js";
import { readBody } from "./read.js";
import type { Declared } from "./scope.js";
import type { Fields } from "./typed.js";

export type Draft = Omit<Pipeline, "schema" | "file" | "sources" | "params">;

export function assemble(context: Context): Draft {
  const { scope } = context;
  const all = (kind: string): readonly Declared[] => [...(scope.blocks.get(kind)?.values() ?? [])];
  const own = (kind: string): readonly Declared[] => all(kind).filter((d) => !d.file.bundled);

  const models = new Map<string, ModelSpec | undefined>();
  const model = (name: string): ModelSpec | undefined => {
    if (models.has(name)) return models.get(name);
    const declared = scope.blocks.get("model")?.get(name);
    const spec = declared === undefined ? undefined : modelSpec(fieldsOf(declared, context), declared, context);
    models.set(name, spec);
    return spec;
  };
  const wanted = own("model").length > 0 || own("train").length > 0 ? own("model") : all("model");
  for (const declared of wanted) model(declared.name);

  const tokenizers = table(own("tokenizer"), (d) => tokenizerOf(fieldsOf(d, context), d, context));
  const datasets = table(own("dataset"), (d) => datasetOf(fieldsOf(d, context), d, context));
  const mixSpec = blockByKeyword("mix");
  const mixes = table(own("mix"), (d) =>
    mixSpec === undefined ? undefined : mixOf(fieldsOf(d, context), d, mixSpec, context),
  );
  const adapters = table(own("adapter"), (d) => adapterOf(fieldsOf(d, context), d));
  const rewards = table(own("reward"), (d) => rewardOf(fieldsOf(d, context), d, context));
  const accelerators = table(own("accelerator"), (d) => hardwareOf(fieldsOf(d, context), d));
  const instances = table(own("instance"), (d) => hardwareOf(fieldsOf(d, context), d));
  const clusters = table(own("cluster"), (d) => clusterOf(fieldsOf(d, context), d, context));
  const precisions = table(own("precision"), (d) => {
    const base = predefinedParent(d, context);
    return precisionOf(fieldsOf(d, context, base !== undefined), d, base);
  });

  const [onlyTokenizer, otherTokenizer] = own("tokenizer");
  const [onlyCluster, otherCluster] = own("cluster");
  const stages: Stage[] = [];
  for (const declared of orderStages(context)) {
    const world = {
      model,
      isLocal: (cluster: string) => cluster === localCluster || clusters[cluster]?.provider.value === "local",
      soleTokenizer: otherTokenizer === undefined ? onlyTokenizer?.name : undefined,
      soleCluster: otherCluster === undefined ? onlyCluster?.name : undefined,
      parentModel: (name: string) => stages.find((s) => s.name === name)?.model.value,
      epochTokens: (data: string) => epochTokens(data, datasets, mixes),
    };
    const stage = stageOf(fieldsOf(declared, context), declared, world, context);
    if (stage !== undefined) stages.push(stage);
  }

  // What is used without being declared: predefined precisions, this machine, a dataset as a mix of one.
  for (const stage of stages) {
    for (const name of options(stage.precision.value)) {
      const preset = precisions[name] ?? presetPrecision(name);
      if (preset !== undefined) precisions[name] = preset;
    }
    const data = stage.data.value;
    if (datasets[data] !== undefined) mixes[data] ??= mixOfOne(data);
    const on = stage.on.value;
    if (on === localCluster) clusters[on] ??= localMachine(on);
    model(stage.model.value);
    for (const key of ["teacher", "reference"]) {
      const other = stage.objective.options[key]?.value;
      if (typeof other === "string" && scope.blocks.get("model")?.has(other) === true) model(other);
    }
  }
  const { budget } = scope;
  return {
    tokenizers,
    datasets,
    mixes,
    models: Object.fromEntries([...models].flatMap(([name, spec]) => (spec === undefined ? [] : [[name, spec]]))),
    adapters,
    precisions,
    rewards,
    clusters,
    accelerators,
    instances,
    stages,
    budget: budgetOf(budget === undefined ? undefined : fieldsOf(budget, context), context),
  };
}

const options = (decision: Stage["precision"]["value"]): readonly string[] =>
  decision.kind === "fixed"
    ? [decision.value]
    : decision.kind === "choice"
      ? decision.options
      : ["fp32", "bf16", "fp8"];

function table<T>(declared: readonly Declared[], make: (d: Declared) => T | undefined): Record<string, T> {
  const result: Record<string, T> = {};
  for (const one of declared) {
    const value = make(one);
    if (value !== undefined) result[one.name] = value;
  }
  return result;
}

/** `complete`: required keys come from elsewhere (a predefined parent). */
function fieldsOf(declared: Declared, context: Context, complete = false): Fields {
  const { block, name } = declared;
  const spec = blockByKeyword(block.keyword.text) as BlockSpec;
  const owner = spec.named ? `${spec.keyword} \`${name}\`` : `\`${spec.keyword}\``;
  checkDuplicates(block.body.entries, context, owner, spec.phases === true);
  // Behind a parent that does not exist (reported), nothing is known to be missing.
  const orphan = lineage(declared, context).at(-1)?.block.parent !== undefined;
  const fields = complete || orphan ? spec.fields.map(({ required: _, ...rest }) => rest) : spec.fields;
  return readBody(effectiveEntries(declared, context), fields, context, {
    owner,
    span: block.name?.span ?? block.keyword.span,
    limits: spec.limits ?? [],
    ...(spec.open === undefined
      ? {}
      : {
          accept: () => true,
          known: spec.open.keys.flatMap((kind) => [...(context.scope.blocks.get(kind)?.keys() ?? [])]),
        }),
  });
}

/** Tokens of all datasets of a mix together, where each is known. */
function epochTokens(data: string, datasets: Draft["datasets"], mixes: Draft["mixes"]): number | undefined {
  const names =
    mixes[data] === undefined ? [data] : Object.keys(Object.assign({}, ...mixes[data].phases.map((p) => p.weights)));
  let sum = 0;
  for (const name of names) {
    const tokens = datasets[name]?.tokens?.value;
    if (tokens === undefined) return undefined;
    sum += tokens;
  }
  return sum;
}
