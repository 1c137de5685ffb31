/** Train blocks. */
import { modelCodes } from "../../diagnostics/index.js";
import type { Context } from "../context.js";
import {
  boolOf,
  boolSetting,
  camel,
  fixedSetting,
  fixedValue,
  known,
  mapDecision,
  numberOf,
  numberSetting,
  present,
  textOf,
  textSetting,
  textsOf,
} from "../known.js";
import type {
  BatchSize,
  Interval,
  Known,
  ModelSpec,
  Objective,
  ParallelSettings,
  Recompute,
  ScheduleKind,
  Setting,
  Shard,
  Stage,
  TrainingLength,
} from "../pipeline.js";
import type { Declared } from "../scope.js";
import type { Fields, Read } from "../typed.js";
import { optimizerOf } from "./optimizer.js";

/** What a stage takes from the rest of the pipeline. */
export interface StageWorld {
  readonly model: (name: string) => ModelSpec | undefined;
  /** The cluster's provider. */
  readonly isLocal: (cluster: string) => boolean;
  readonly soleTokenizer: string | undefined;
  readonly soleCluster: string | undefined;
  /** The model that an earlier stage trains, through `from`. */
  readonly parentModel: (stage: string) => string | undefined;
  /** Tokens of one epoch of a mix or dataset, where known. */
  readonly epochTokens: (data: string) => number | undefined;
}

export function stageOf(fields: Fields, declared: Declared, world: StageWorld, context: Context): Stage | undefined {
  const { name, block } = declared;
  const objective = objectiveOf(fields);
  const startsFrom = block.from?.text;
  const inheritedModel = startsFrom === undefined ? undefined : world.parentModel(startsFrom);
  const model =
    textOf(fields, "model") ?? (inheritedModel === undefined ? undefined : known(inheritedModel, "inherited"));
  if (model === undefined && startsFrom === undefined && !fields.failed.has("model")) {
    context.report(
      modelCodes.report(
        "LLMP3037",
        fields.span,
        { stage: name },
        { hints: ['for example `import "std/llama3"` and `model = llama3_8b`'] },
      ),
    );
  }
  const length = lengthOf(fields, name, context);
  const batch = batchOf(fields);
  const data = textOf(fields, "data");
  if (!objective || !model || !length || !batch || !data) return undefined;
  const on = textOf(fields, "on") ?? known(world.soleCluster ?? "local");
  const adapter = textOf(fields, "adapter");
  const optimizer = optimizerOf(fields, {
    objective: objective.kind,
    adapter: adapter !== undefined,
    length: length.value,
    epochTokens: world.epochTokens(data.value),
    context,
  });
  const recompute = settingOfRecompute(fields);
  const offload = textSetting<"none" | "activations" | "optimizer" | "both">(fields, "offload");
  const engine = textSetting(fields, "engine");
  const seed = numberOf(fields, "seed");
  const packing = boolOf(fields, "packing");
  const parallel = parallelOf(fields);
  const spec = world.model(model.value);
  const contextLength =
    numberSetting(fields, "context_length") ??
    (spec === undefined ? undefined : fixedSetting(spec.contextLength.value));
  if (!optimizer || !recompute || !offload || !engine || !seed || !packing || !parallel || !contextLength)
    return undefined;
  const tokenizer =
    textOf(fields, "tokenizer") ?? (world.soleTokenizer === undefined ? undefined : known(world.soleTokenizer));
  return present<Stage>({
    name,
    span: block.name?.span,
    startsFrom,
    objective,
    model,
    adapter,
    data,
    tokenizer,
    length,
    batch,
    contextLength,
    precision: textSetting(fields, "precision") ?? fixedSetting(world.isLocal(on.value) ? "fp32" : "bf16"),
    parallel,
    recompute,
    offload,
    optimizer,
    engine,
    on,
    save: intervalOf(fields, "save"),
    evaluate: intervalOf(fields, "evaluate"),
    freeze: textsOf(fields, "freeze") ?? known([]),
    seed,
    packing,
  });
}

function objectiveOf(fields: Fields): Objective | undefined {
  const read = fixedValue(fields, "objective");
  if (read?.kind !== "variant") return undefined;
  const options: Record<string, Known<number | string | boolean | readonly string[]>> = {};
  for (const key of read.fields.map.keys()) {
    // `reward = exact` and `reward = [exact]` mean the same: always a list.
    const value =
      key === "reward"
        ? textsOf(read.fields, key)
        : (numberOf(read.fields, key) ??
          boolOf(read.fields, key) ??
          textOf(read.fields, key) ??
          textsOf(read.fields, key));
    if (value !== undefined) options[camel(key)] = value;
  }
  return { kind: read.name, options };
}

const lengthKeys = ["tokens", "steps", "epochs"] as const;

function lengthOf(fields: Fields, stage: string, context: Context): Known<TrainingLength> | undefined {
  const written = lengthKeys.filter((key) => fields.map.has(key));
  const [first, second] = written;
  if (first === undefined) {
    if (!lengthKeys.some((key) => fields.failed.has(key)))
      context.report(
        modelCodes.report(
          "LLMP3024",
          fields.span,
          { stage, what: "does not say how long it trains" },
          {
            hints: ["give one of `tokens = 100B`, `steps = 2000`, `epochs = 3`"],
          },
        ),
      );
    return undefined;
  }
  if (second !== undefined) {
    context.report(
      modelCodes.report(
        "LLMP3024",
        fields.map.get(second)?.keySpan,
        { stage, what: "says twice how long it trains" },
        {
          labels: [{ span: fields.map.get(first)?.keySpan ?? fields.span, text: "first here" }],
          hints: ["keep one of `tokens`, `steps`, `epochs`"],
        },
      ),
    );
    return undefined;
  }
  const amount = numberOf(fields, first);
  return amount === undefined ? undefined : { ...amount, value: { unit: first, amount: amount.value } };
}

function batchOf(fields: Fields): Known<BatchSize> | undefined {
  const read = fixedValue(fields, "batch");
  if (read?.kind !== "quantity") return undefined;
  const unit = read.dimension === "sequences" ? "sequences" : "tokens";
  return known({ unit, amount: read.value }, fields.map.get("batch")?.from, read.span);
}

export function intervalOf(fields: Fields, key: string): Known<Interval> | undefined {
  const read = fixedValue(fields, key);
  if (read?.kind !== "every") return undefined;
  const unit = read.dimension;
  if (unit !== "steps" && unit !== "tokens" && unit !== "seconds") return undefined;
  return known({ unit, amount: read.value }, fields.map.get(key)?.from, read.span);
}

function settingOfRecompute(fields: Fields): Setting<Recompute> | undefined {
  const field = fields.map.get("recompute");
  if (field === undefined) return undefined;
  const value = mapDecision(field.decision, recomputeOf);
  if (value === undefined) return undefined;
  return field.span === undefined || field.from === "default"
    ? { value, from: field.from }
    : { value, from: field.from, span: field.span };
}

function recomputeOf(read: Read): Recompute | undefined {
  if (read.kind === "word") return { kind: read.value as "none" | "full" | "selective" };
  if (read.kind === "every") return { kind: "every", layers: read.value };
  return read.kind === "record" ? { kind: "ops", ops: textsOf(read.fields, "ops")?.value ?? [] } : undefined;
}

/** `parallel = auto` opens every degree; a record opens those that it does not name. */
function parallelOf(fields: Fields): ParallelSettings | undefined {
  const field = fields.map.get("parallel");
  if (field === undefined) return undefined;
  if (field.decision.kind !== "fixed" || field.decision.value.kind !== "record") {
    const auto = {
      value: { kind: "auto" },
      from: field.from,
      ...(field.span && field.from !== "default" ? { span: field.span } : {}),
    } as const;
    return {
      data: auto,
      shard: auto,
      shardGroup: auto,
      tensor: auto,
      sequence: auto,
      pipeline: auto,
      virtual: auto,
      schedule: auto,
      context: auto,
      expert: auto,
      microBatch: auto,
    };
  }
  const inner = field.decision.value.fields;
  const number = (key: string) => numberSetting(inner, key);
  const [data, tensor, pipeline, virtual, ctx, expert, microBatch, shardGroup] = [
    "data",
    "tensor",
    "pipeline",
    "virtual",
    "context",
    "expert",
    "micro_batch",
    "shard_group",
  ].map(number);
  const shard = textSetting<Shard>(inner, "shard");
  const sequence = boolSetting(inner, "sequence");
  const schedule = textSetting<ScheduleKind>(inner, "schedule");
  if (!data || !tensor || !pipeline || !virtual || !ctx || !expert || !microBatch || !shardGroup) return undefined;
  if (!shard || !sequence || !schedule) return undefined;
  return { data, shard, shardGroup, tensor, sequence, pipeline, virtual, schedule, context: ctx, expert, microBatch };
}
