/** A short run of the long fuzzer (`npm run fuzz`): the same seed, the same inputs. */
import { rmSync } from "node:fs";
import { afterAll, expect, it } from "vitest";
import { mutator } from "./long/mutate.js";
import { scratch, targets } from "./long/targets/index.js";

afterAll(() => rmSync(scratch(), { recursive: true, force: true }));

// The Parquet target ended the whole process within a few hundred inputs before strays were caught (src/runtime/data/rows.ts).
it.each(targets)("$name", async ({ name, seeds, run, json }) => {
  const next = mutator(seeds, 7, json);
  for (let i = 0; i < 400; i++) {
    const input = next();
    try {
      await run(input);
    } catch (error) {
      expect.fail(
        `${name}: input ${i} (${Buffer.from(input).toString("base64").slice(0, 200)}): ${(error as Error).stack}`,
      );
    }
  }
});
