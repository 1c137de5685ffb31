/** A stage on workers: the ranks of its plan. */
import { evenChunks } from "../../planner/layout/index.js";
import { isOptimizer, objectivePrograms, sharesWeights } from "../../program/index.js";
import { worldSize } from "../collectives/index.js";
import type { OpenExecutor, StageInput } from "../train/executor.js";
import { readWeights } from "../train/start.js";
import type { TeamJob } from "./job.js";
import { Pool, shared, Team, workerBackend } from "./team.js";

const inShared = (tensors: ReadonlyMap<string, Float32Array>): ReadonlyMap<string, Float32Array> =>
  shared([...tensors].map(([name, values]) => ({ name, values })));

/** Reference or teacher, its stack cut into as many chunks as the trained model's. */
async function besideOf({ other, plan, stage, weights }: StageInput): Promise<Pick<TeamJob, "beside">> {
  if (other === undefined) return {};
  const { graph } = other;
  const shares = sharesWeights(stage);
  const { chunks } = plan.layout;
  return {
    beside: {
      graph,
      // One that shares weights has them where the trained one does.
      chunks: shares ? chunks : evenChunks(graph.stack.length - 2, plan.parallel),
      shares,
      tensors: shares ? new Map() : inShared(await readWeights(graph, other.weights ?? weights)),
    },
  };
}

/** @param file the worker's program, where it is not beside the bundle */
export const onWorkers =
  (file?: string): OpenExecutor =>
  async (input, start) => {
    const { graph, stage, plan, precision } = input;
    const optimizer = stage.optimizer.value.kind;
    const beside = await besideOf(input);
    const backend = workerBackend(input.backend.name);
    const pool = await Pool.start(worldSize(plan.parallel), { ...(file === undefined ? {} : { file }), backend });
    const team = await Team.open(
      {
        graph,
        parallel: plan.parallel,
        chunks: plan.layout.chunks,
        recompute: plan.recompute.layers,
        optimizer: isOptimizer(optimizer) ? optimizer : "adamw",
        objective: { kind: stage.objective.kind, options: stage.objective.options },
        ...beside,
        compute: precision.compute.value,
        ...(precision.recipe === undefined ? {} : { recipe: precision.recipe.value }),
        contextLength: plan.context_length,
        seed: stage.seed.value,
        tensors: inShared(start),
      },
      pool,
    );
    let peak = 0;
    const seen = <T>(value: T): T => {
      peak = Math.max(peak, team.peakBytes);
      return value;
    };
    return {
      generate: async (asked) => seen(await team.generate(asked)),
      run: async (batch, scale) => seen(await team.run(batch, scale)),
      update: async (u) => seen(await team.update(u)),
      evaluate: async (batch, objective) => {
        const { losses } = await team.run(batch, undefined, objective);
        return { loss: losses.reduce((a, b) => a + b, 0), total: objectivePrograms[objective]!.total(batch) };
      },
      tensors: (which) => team.tensors(which),
      begin: () => {
        peak = 0;
      },
      peak: () => peak,
      close: () => pool.end(),
    };
  };
