/**
 * `npm run fuzz -- [--seconds N] [--only TARGET] [--seed N]`: random edits of seeds, the targets in turn, a slice of time each.
 * What was tried is in reports/fuzz/SEED.json at every moment, so that a run may be ended at any.
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { mutator } from "./mutate.js";
import { scratch, type Target, targets } from "./targets/index.js";
import { watch } from "./watch.js";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    only: { type: "string" },
    seed: { type: "string", default: "1" },
  },
});
const folder = path.join("reports", "fuzz");
/** More milliseconds of processor time than this for one small input is a hang. */
const slow = 3_000;
/** Milliseconds a target has before the next one's turn, times its weight. */
const slice = 1_000;
const spent = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

interface Tally {
  readonly target: Target;
  readonly next: () => Uint8Array;
  readonly seen: Map<string, number>;
  inputs: number;
  seconds: number;
}
const tallies: readonly Tally[] = targets
  .filter((t) => values.only === undefined || t.name === values.only)
  .map((target) => ({
    target,
    next: mutator(target.seeds, Number(values.seed), target.json),
    seen: new Map(),
    inputs: 0,
    seconds: 0,
  }));
const failuresOf = (t: Tally): number => [...t.seen.values()].reduce((a, b) => a + b, 0);

async function turn(tally: Tally, until: number): Promise<void> {
  const { target, next } = tally;
  while (performance.now() < until) {
    const input = next();
    tally.inputs++;
    watched(input);
    const start = spent();
    const clock = performance.now();
    let problem: string | undefined;
    try {
      const waits = target.run(input);
      if (waits !== undefined) await waits;
    } catch (error) {
      const { message, stack = "" } = error as Error;
      problem = `${message} ${/\n\s+at ([^\n]*)/.exec(stack)?.[1] ?? ""}`;
    }
    // The machine may be busy with others: both clocks must say so.
    if (performance.now() - clock > slow && spent() - start > slow) problem ??= "took over 3 seconds";
    if (problem !== undefined) keep(tally, problem, input);
  }
}

/** Two inputs that fail at one place are one bug: numbers and quoted words in a message do not tell them apart. */
function keep({ target, seen }: Tally, problem: string, input: Uint8Array): void {
  const key = problem.replace(/\d+/g, "N").replace(/"[^"]*"|'[^']*'/g, "S");
  const known = seen.get(key) ?? 0;
  seen.set(key, known + 1);
  if (known > 0) return;
  const file = path.join(folder, `${values.seed}-${target.name.replace(/\W+/g, "-")}-${seen.size}`);
  writeFileSync(file, input);
  console.log(`${target.name}: ${problem}\n  ${file}`);
}

function record(): void {
  const all = tallies.map((t) => ({
    target: t.target.name,
    inputs: t.inputs,
    seconds: Math.round(t.seconds),
    failures: failuresOf(t),
  }));
  const inputs = all.reduce((sum, t) => sum + t.inputs, 0);
  writeFileSync(
    path.join(folder, `${values.seed}.json`),
    `${JSON.stringify({ seed: values.seed, inputs, targets: all }, undefined, 1)}\n`,
  );
}

mkdirSync(folder, { recursive: true });
// Readers of others tell of what they do not know; here that is nearly every input.
console.warn = () => undefined;
const watched = watch(path.join(folder, `${values.seed}-hang`), 60);
const end = performance.now() + Number(values.seconds) * 1000;
while (performance.now() < end)
  for (const tally of tallies) {
    const started = performance.now();
    await turn(tally, Math.min(end, started + slice * (tally.target.weight ?? 1)));
    tally.seconds += (performance.now() - started) / 1000;
    record();
  }
rmSync(scratch(), { recursive: true, force: true });
for (const t of tallies)
  console.log(`${t.target.name}: ${t.inputs.toLocaleString("en-US")} inputs, ${failuresOf(t)} failures`);
const failures = tallies.reduce((sum, t) => sum + failuresOf(t), 0);
console.log(`${tallies.reduce((sum, t) => sum + t.inputs, 0).toLocaleString("en-US")} inputs, ${failures} failures`);
process.exitCode = failures === 0 ? 0 : 1;
