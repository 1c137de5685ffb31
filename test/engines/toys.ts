/** Small data sets for the engines' tests: words in a row, sums, pairs. The same bytes every time. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const words = ["the", "cat", "sat", "on", "a", "mat", "and", "ran", "home", "again"];

/** A linear congruential generator: no seed of the machine in it. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 31;
  };
}

export function writeToys(root: string): void {
  const next = random(7);
  const say = (n: number): string =>
    Array.from({ length: n }, () => words[Math.floor(next() * words.length)]).join(" ");
  const write = (name: string, rows: readonly unknown[]): void => {
    mkdirSync(join(root, "data", name), { recursive: true });
    writeFileSync(join(root, "data", name, `${name}.jsonl`), `${rows.map((r) => JSON.stringify(r)).join("\n")}\n`);
  };
  const times = <T>(n: number, make: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => make(i));
  write(
    "text",
    times(200, () => ({ text: say(60) })),
  );
  write(
    "chat",
    times(100, () => ({ prompt: `say ${say(2)}: `, completion: say(4) })),
  );
  write(
    "pairs",
    times(100, () => ({ prompt: "say: ", chosen: say(4), rejected: `xx ${say(2)}` })),
  );
  write(
    "sums",
    times(100, (i) => ({ prompt: `${i}+${i}=`, answer: String(2 * i) })),
  );
}
