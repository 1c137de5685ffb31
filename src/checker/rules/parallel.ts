/** Degrees that cannot work together: the parallelism mistakes that are made most often (Megatron-LM issue 5768). */
import { modelCodes } from "../../diagnostics/index.js";
import type { Context } from "../context.js";
import type { ModelSpec, Setting, Stage } from "../pipeline.js";
import { atMost, commonDivisors, fixed } from "./decide.js";
import { eachStage, type Rule } from "./rule.js";

export const parallelRule: Rule = (draft, context) => {
  eachStage(draft, (stage, model) => {
    if (model !== undefined) {
      heads(stage, model, context);
      layers(stage, model, context);
      experts(stage, model, context);
    }
    pipelines(stage, context);
    shards(stage, context);
    sequence(stage, context);
  });
};

function heads({ parallel }: Stage, model: ModelSpec, context: Context): void {
  const tensor = fixed(parallel.tensor);
  if (tensor === undefined || tensor <= 1) return;
  const [query, kv] = [model.heads.value, model.kvHeads.value];
  // More ranks than key/value heads copy them; that needs the one to divide the other.
  if (query % tensor === 0 && (kv % tensor === 0 || tensor % kv === 0)) return;
  const good = commonDivisors(query, kv);
  context.report(
    modelCodes.report(
      "LLMP3004",
      parallel.tensor.span,
      { tensor },
      {
        text: `${query} query heads and ${kv} key/value heads are not divisible by ${tensor}`,
        labels:
          model.heads.span === undefined
            ? []
            : [{ span: model.heads.span, text: `heads = ${query}, kv_heads = ${kv}` }],
        hints: ["tensor parallel splits heads, so it must divide them", `tensor = ${good.join(", ")} would do`],
      },
    ),
  );
}

function layers({ parallel }: Stage, model: ModelSpec, context: Context): void {
  const pipeline = fixed(parallel.pipeline);
  if (pipeline === undefined || pipeline <= 1) return;
  const chunks = pipeline * (fixed(parallel.virtual) ?? 1);
  const count = model.layers.value;
  const labels = model.layers.span === undefined ? [] : [{ span: model.layers.span, text: `layers = ${count}` }];
  if (chunks > count)
    context.report(modelCodes.report("LLMP3005", parallel.pipeline.span, { layers: count, chunks }, { labels }));
  else if (count % chunks !== 0)
    context.report(
      modelCodes.report(
        "LLMP3038",
        parallel.pipeline.span,
        { layers: count, chunks },
        {
          labels,
          hints: ["the planner balances the stages, but not every engine can run an uneven split"],
        },
      ),
    );
}

function experts({ parallel }: Stage, model: ModelSpec, context: Context): void {
  const expert = fixed(parallel.expert);
  if (expert === undefined || expert <= 1) return;
  if (model.moe === undefined) {
    context.report(
      modelCodes.report(
        "LLMP3019",
        parallel.expert.span,
        { expert },
        {
          hints: [`\`${model.name}\` is a dense model; remove \`expert\``],
        },
      ),
    );
  } else if (model.moe.experts.value % expert !== 0) {
    context.report(
      modelCodes.report(
        "LLMP3031",
        parallel.expert.span,
        { experts: model.moe.experts.value, expert },
        {
          hints: [`\`expert\` must divide the ${model.moe.experts.value} experts`],
        },
      ),
    );
  }
}

const single = (setting: Setting<number>): boolean => atMost(setting) <= 1;

function pipelines({ parallel }: Stage, context: Context): void {
  const virtual = fixed(parallel.virtual);
  if (virtual !== undefined && virtual > 1 && single(parallel.pipeline))
    context.report(
      modelCodes.report(
        "LLMP3016",
        parallel.virtual.span,
        { virtual },
        { hints: ["raise `pipeline`, or remove `virtual`"] },
      ),
    );
  const schedule = fixed(parallel.schedule);
  if (schedule === undefined || parallel.schedule.from === "default") return;
  const interleaves = schedule === "interleaved";
  if ((interleaves || schedule === "zero_bubble" || schedule === "dualpipe") && single(parallel.pipeline))
    context.report(
      modelCodes.report(
        "LLMP3017",
        parallel.schedule.span,
        { schedule, needed: "a `pipeline` of more than one rank" },
        {
          hints: ["raise `pipeline`, or remove `schedule`"],
        },
      ),
    );
  else if (interleaves && single(parallel.virtual))
    context.report(
      modelCodes.report(
        "LLMP3017",
        parallel.schedule.span,
        { schedule, needed: "`virtual` above 1" },
        {
          hints: ["interleaving is what several chunks per rank do"],
        },
      ),
    );
}

function shards({ parallel }: Stage, context: Context): void {
  const shard = fixed(parallel.shard);
  const group = parallel.shardGroup;
  const written = group.from !== "default" && group.value.kind === "fixed";
  if (shard === "hsdp" && group.value.kind === "fixed" && group.value.value <= 1)
    context.report(
      modelCodes.report(
        "LLMP3021",
        group.span,
        { what: "hybrid sharding needs a `shard_group` above 1" },
        {
          hints: ["usually the devices of one machine: `shard_group = 8`"],
        },
      ),
    );
  if (shard !== undefined && shard !== "hsdp" && written)
    context.report(
      modelCodes.report(
        "LLMP3021",
        group.span,
        { what: `\`shard_group\` belongs to \`shard = hsdp\`, not to \`${shard}\`` },
        {
          labels:
            parallel.shard.span === undefined ? [] : [{ span: parallel.shard.span, text: "the shard is set here" }],
        },
      ),
    );
  const data = fixed(parallel.data);
  const size = fixed(group);
  if (shard === "hsdp" && data !== undefined && size !== undefined && size > 1 && (data % size !== 0 || data === size))
    context.report(
      modelCodes.report(
        "LLMP3021",
        group.span,
        { what: `\`data = ${data}\` cannot be cut into groups of ${size}` },
        {
          hints: [data === size ? "one group that holds all is `shard = zero3`" : "`shard_group` must divide `data`"],
        },
      ),
    );
}

function sequence({ parallel }: Stage, context: Context): void {
  if (fixed(parallel.sequence) === true && single(parallel.tensor))
    context.report(
      modelCodes.report(
        "LLMP3018",
        parallel.sequence.span,
        {},
        {
          hints: ["the sequence is split among the tensor ranks; `context` splits it on its own"],
        },
      ),
    );
}
