/** `npm run fuzz -- [--seconds N] [--only TARGET] [--seed N]`: random edits of seeds, each target for its share of the time. */
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { mutator } from "./mutate.js";
import { targets } from "./targets.js";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    only: { type: "string" },
    seed: { type: "string", default: "1" },
  },
});
const chosen = targets.filter((t) => values.only === undefined || t.name === values.only);
/** The readers of text run a many times as often as those that go through files. */
const weight = (name: string): number => (["parser", "checker", "safetensors header"].includes(name) ? 5 : 1);
const total = chosen.reduce((sum, t) => sum + weight(t.name), 0);
/** More milliseconds of processor time than this for one small input is a hang. */
const slow = 3_000;
const spent = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

let inputs = 0;
let failures = 0;
for (const target of chosen) {
  const next = mutator(target.seeds, Number(values.seed));
  const until = performance.now() + (Number(values.seconds) * 1000 * weight(target.name)) / total;
  let count = 0;
  const seen = new Map<string, number>();
  for (; performance.now() < until; count++) {
    const input = next();
    const start = spent();
    let problem: string | undefined;
    try {
      const waits = target.run(input);
      if (waits !== undefined) await waits;
      if (spent() - start > slow) problem = `took ${Math.round(spent() - start)} ms`;
    } catch (error) {
      const { message, stack = "" } = error as Error;
      problem = `${message} ${/\n\s+at ([^\n]*)/.exec(stack)?.[1] ?? ""}`;
    }
    if (problem === undefined) continue;
    failures++;
    const known = seen.get(problem) ?? 0;
    seen.set(problem, known + 1);
    if (known > 0) continue;
    const folder = path.join("reports", "fuzz");
    mkdirSync(folder, { recursive: true });
    const file = path.join(folder, `${target.name.replace(/\W+/g, "-")}-${failures}`);
    writeFileSync(file, input);
    console.log(`${target.name}: ${problem}\n  ${file}`);
  }
  inputs += count;
  console.log(
    `${target.name}: ${count.toLocaleString("en-US")} inputs, ${[...seen.values()].reduce((a, b) => a + b, 0)} failures`,
  );
}
console.log(`${inputs.toLocaleString("en-US")} inputs, ${failures} failures`);
process.exitCode = failures === 0 ? 0 : 1;
