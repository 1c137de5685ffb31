/** SageMaker model parallel v2: TRL's program and files, with SMP's JSON and the degrees that it takes over (legacy). */
import type { Diagnostic, Outcome } from "../../../diagnostics/index.js";
import { failed, offloads, refuse } from "../../common/lower.js";
import { json } from "../../common/quote.js";
import type { StageView } from "../../common/stage.js";
import { trl } from "../trl/index.js";
import type { EngineBundle, EngineLowering } from "../types.js";
import { smpPy } from "./smp-py.js";

/** `mp_parameters` of the SMP v2 reference (AWS documentation). */
export function smpParameters(view: StageView): Readonly<Record<string, number | boolean>> {
  const { parallel } = view.stage;
  const hybrid = parallel.shard === "hsdp" ? parallel.shard_group : 0;
  return {
    hybrid_shard_degree: hybrid,
    sm_activation_offloading: offloads(view, "activations"),
    activation_loading_horizon: 2,
    tensor_parallel_degree: parallel.tensor,
    context_parallel_degree: parallel.context,
    expert_parallel_degree: parallel.expert,
    random_seed: view.spec.seed.value,
  };
}

/** SMDDP's AllGather is made for P4d and P4de with EFA (AWS documentation of SMDDP); elsewhere NCCL. */
const usesSmddp = (view: StageView): boolean => view.nodes > 1 && /\bp4de?\./.test(view.stage.cluster.instance);

function lower(view: StageView): Outcome<EngineBundle> {
  const { parallel } = view.stage;
  const found: Diagnostic[] = [];
  if (parallel.pipeline > 1) found.push(refuse(view, "pipeline parallelism", "SMP v2 has none"));
  if (parallel.shard === "zero1" || parallel.shard === "zero2")
    found.push(refuse(view, parallel.shard, "SMP v2 shards fully or in groups"));
  if (parallel.sequence && parallel.tensor > 1)
    found.push(refuse(view, "sequence parallelism", "the SMP v2 JSON has no key for it"));
  if (found.length > 0) return failed(found);
  // SMP takes over the axes that TRL has no words for; the rest of the stage is TRL's.
  const plain = {
    ...view,
    stage: {
      ...view.stage,
      offload: "none" as const,
      precision: view.stage.precision,
      parallel: { ...parallel, tensor: 1, context: 1, expert: 1 },
    },
  };
  const fp8 = view.precision.compute.value === "fp8";
  const bf16 = { ...view.precision, compute: { ...view.precision.compute, value: "bf16" as const } };
  const base = trl.lower(fp8 ? { ...plain, precision: bf16 } : plain);
  if (base.value === undefined) return base;
  return {
    value: {
      ...base.value,
      launcher: "torchrun",
      commands: [["smp_train.py"]],
      files: [
        ...base.value.files,
        { path: "smp.json", text: json({ ...smpParameters(view), fp8, smddp: usesSmddp(view) }) },
        { path: "smp_train.py", text: smpPy },
      ],
      requirements: base.value.requirements.filter((r) => !r.startsWith("torch==")),
      notes: [
        "SMP v2 is a legacy target: its library is only in SageMaker's SMP images, so this could not be run here.",
      ],
    },
    diagnostics: base.diagnostics,
  };
}

export const smp: EngineLowering = { name: "smp", readsRows: ["pretrain", "sft", "dpo", "grpo", "distill"], lower };
