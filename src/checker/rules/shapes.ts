/** Models whose numbers do not fit together, and models that must fit each other. */
import { modelCodes } from "../../diagnostics/index.js";
import type { Context } from "../context.js";
import type { Known, ModelSpec } from "../pipeline.js";
import { eachStage, type Rule } from "./rule.js";

export const shapesRule: Rule = (draft, context) => {
  for (const model of Object.values(draft.models)) {
    heads(model, context);
    experts(model, context);
  }
  eachStage(draft, (stage, model) => {
    if (model === undefined) return;
    const tokenizer = stage.tokenizer === undefined ? undefined : draft.tokenizers[stage.tokenizer.value];
    // 256 bytes and the three specials of our byte tokenizer (begin, end, padding).
    if (tokenizer?.kind.value === "bytes" && model.vocab.value < 256)
      context.report(
        modelCodes.report("LLMP3030", model.vocab.span ?? stage.model.span, { needed: 256, vocab: model.vocab.value }),
      );
    const parentStage = draft.stages.find((s) => s.name === stage.startsFrom);
    const parent = parentStage === undefined ? undefined : draft.models[parentStage.model.value];
    if (parent !== undefined && parentStage !== undefined)
      sameShape(stage.name, model, parentStage.name, parent, stage.model, context);
    teacher(stage.objective.options.teacher, model, context, (name) => {
      const other = draft.models[name] ?? draft.models[draft.stages.find((s) => s.name === name)?.model.value ?? ""];
      return other;
    });
    adapterTargets(stage.adapter, model, draft.adapters, context);
  });
};

function heads(model: ModelSpec, context: Context): void {
  const [query, kv, dim] = [model.heads.value, model.kvHeads.value, model.headDim.value];
  const at = model.kvHeads.span ?? model.heads.span ?? model.span;
  if (query % kv !== 0)
    context.report(
      modelCodes.report(
        "LLMP3025",
        at,
        { heads: query, kv },
        {
          hints: ["each key/value head serves the same number of query heads, so `kv_heads` must divide `heads`"],
        },
      ),
    );
  const rotated = model.mla === undefined ? dim * model.ropeFraction.value : model.mla.ropeHeadDim.value;
  if (!Number.isInteger(dim))
    context.report(
      modelCodes.report(
        "LLMP3025",
        model.heads.span ?? model.span,
        { heads: query, kv },
        {
          text: `${model.hidden.value} features do not divide by ${query} heads`,
          hints: ["give `head_dim`, or choose `heads` that divide `hidden`"],
        },
      ),
    );
  else if (model.position.value === "rope" && Math.round(rotated) % 2 !== 0)
    context.report(
      modelCodes.report("LLMP3039", model.headDim.span ?? model.heads.span ?? model.span, { dim: rotated }),
    );
}

function experts({ moe, ...model }: ModelSpec, context: Context): void {
  if (moe === undefined) return;
  const complain = (what: string, at: Known<number>, hint: string): void =>
    context.report(
      modelCodes.report("LLMP3026", at.span ?? moe.experts.span ?? model.span, { what }, { hints: [hint] }),
    );
  if (moe.expertsPerToken.value > moe.experts.value)
    complain(
      `${moe.expertsPerToken.value} experts per token of only ${moe.experts.value}`,
      moe.expertsPerToken,
      "`experts_per_token` is at most `experts`",
    );
  if (moe.experts.value % moe.groups.value !== 0 || moe.groupsPerToken.value > moe.groups.value)
    complain(
      `${moe.experts.value} experts cannot be put into ${moe.groups.value} groups of which ${moe.groupsPerToken.value} are used`,
      moe.groups,
      "`expert_groups` must divide `experts`, and `groups_per_token` is at most that",
    );
  if (moe.denseLayers.value > model.layers.value)
    complain(
      `${moe.denseLayers.value} dense layers of only ${model.layers.value}`,
      moe.denseLayers,
      "`dense_layers` is at most `layers`",
    );
}

const shape = {
  layers: (m: ModelSpec) => m.layers,
  hidden: (m: ModelSpec) => m.hidden,
  heads: (m: ModelSpec) => m.heads,
  kv_heads: (m: ModelSpec) => m.kvHeads,
  ffn: (m: ModelSpec) => m.ffn,
  vocab: (m: ModelSpec) => m.vocab,
} as const;

function sameShape(
  stage: string,
  model: ModelSpec,
  parentStage: string,
  parent: ModelSpec,
  at: Known<string>,
  context: Context,
): void {
  for (const [key, get] of Object.entries(shape)) {
    const [mine, theirs] = [get(model), get(parent)];
    if (mine.value === theirs.value) continue;
    context.report(
      modelCodes.report(
        "LLMP3029",
        at.span ?? model.span,
        { stage, key, parent: parentStage },
        {
          text: `${key} = ${mine.value}, there ${theirs.value}`,
          hints: [
            "a stage that starts from another's weights trains a model of the same shape; leave out `model` to take it over",
          ],
        },
      ),
    );
    return;
  }
}

function teacher(
  option: Known<unknown> | undefined,
  student: ModelSpec,
  context: Context,
  find: (name: string) => ModelSpec | undefined,
): void {
  const other = typeof option?.value === "string" ? find(option.value) : undefined;
  if (other === undefined || other.vocab.value === student.vocab.value) return;
  context.report(
    modelCodes.report(
      "LLMP3028",
      option?.span,
      { teacher: other.vocab.value, student: student.vocab.value },
      {
        labels:
          student.vocab.span === undefined ? [] : [{ span: student.vocab.span, text: "the student's vocabulary" }],
        hints: [
          "distributions can be compared only over the same tokens; train on data that the teacher generated instead (sft)",
        ],
      },
    ),
  );
}

function adapterTargets(
  name: Known<string> | undefined,
  model: ModelSpec,
  adapters: Readonly<Record<string, { readonly targets: Known<readonly string[]> }>>,
  context: Context,
): void {
  const targets = name === undefined ? undefined : adapters[name.value]?.targets;
  for (const target of targets?.value ?? []) {
    if (target !== "gate_proj" || model.gatedMlp.value) continue;
    context.report(
      modelCodes.report(
        "LLMP3015",
        targets?.span,
        { architecture: model.architecture.value, target },
        {
          hints: [`the MLP of \`${model.name}\` has no gate: \`up_proj\` and \`down_proj\``],
        },
      ),
    );
  }
}
