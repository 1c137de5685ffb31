/** A stage on workers: the ranks of its plan. */

import { worldSize } from "../collectives/index.js";
import type { OpenExecutor } from "../train/executor.js";
import { Pool, shared, Team } from "./team.js";

/** @param file the worker's program, where it is not beside the bundle */
export const onWorkers =
  (file?: string): OpenExecutor =>
  async (input, start) => {
    const { graph, stage, plan, precision } = input;
    const pool = await Pool.start(worldSize(plan.parallel), file);
    const team = await Team.open(
      {
        graph,
        parallel: plan.parallel,
        chunks: plan.layout.chunks,
        recompute: plan.recompute.layers,
        optimizer: stage.optimizer.value.kind === "sgd" ? "sgd" : "adamw",
        compute: precision.compute.value,
        contextLength: plan.context_length,
        seed: stage.seed.value,
        tensors: shared([...start].map(([name, values]) => ({ name, values }))),
      },
      pool,
    );
    let peak = 0;
    const seen = <T>(value: T): T => {
      peak = Math.max(peak, team.peakBytes);
      return value;
    };
    return {
      run: async (batch, scale) => ({ losses: seen(await team.run(batch, scale)), sums: new Map<string, number>() }),
      update: async (u) => seen(await team.update(u)),
      evaluate: async (batch, program) => {
        const losses = await team.run(batch, undefined);
        return { loss: losses.reduce((a, b) => a + b, 0), total: program.total(batch) };
      },
      tensors: (which) => team.tensors(which),
      begin: () => {
        peak = 0;
      },
      peak: () => peak,
      close: () => pool.end(),
    };
  };
