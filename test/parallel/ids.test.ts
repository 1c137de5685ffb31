/** An id that the model lacks, where each worker has a part of the vocabulary and ids of others are nothing unusual. */
import { expect, it } from "vitest";
import { Team } from "../../src/runtime/parallel/index.js";
import { batchAt } from "../../src/runtime/parallel/rehearsal/steps.js";
import { alone, type Case, graphOf, jobOf, lessonOf, poolFor } from "./helpers.js";

const pool = poolFor(2);

it("LLMP6009: an id beyond the vocabulary ends the step, one of the other worker's part does not", async () => {
  const graph = graphOf(
    "architecture = llama, kv_heads = 2, layers = 2, hidden = 32, heads = 4, ffn = 48, vocab = 66, context_length = 8",
  );
  const c: Case = { graph, parallel: { ...alone, tensor: 2 }, length: 8 };
  const job = jobOf(c);
  const team = await Team.open(job, pool());
  expect(team.placements.flat().some((p) => /embed/.test(p.name) && p.tensor !== undefined)).toBe(true);
  const batch = batchAt(lessonOf(c), 0);
  expect((await team.run(batch, 1)).losses.every(Number.isFinite)).toBe(true);
  const tokens = batch.tokens.slice();
  tokens[3] = 66;
  await expect(team.run({ ...batch, tokens }, 1)).rejects.toThrow(/LLMP6009: id 66 is outside a table of 66 rows/);
});
