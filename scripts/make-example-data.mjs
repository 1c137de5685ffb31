// Writes the generated data of the examples (examples/data/*.jsonl). Same bytes every time: `node scripts/make-example-data.mjs`.
import { writeFileSync } from "node:fs";
import { join } from "node:path";

const folder = process.argv[2] ?? join(import.meta.dirname, "..", "examples", "data");

/** mulberry32: a small generator with a fixed sequence. */
function generator(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** One small task with its answer: a sum, a difference that is not negative, or the larger of two digits. */
function task(random) {
  const [a, b] = [random(10), random(10)];
  const kind = random(3);
  if (kind === 0) return { prompt: `${a} + ${b} =`, answer: a + b };
  if (kind === 1) return { prompt: `${Math.max(a, b)} - ${Math.min(a, b)} =`, answer: Math.abs(a - b) };
  return { prompt: `larger of ${a} and ${b}:`, answer: Math.max(a, b) };
}

/** A fifth of all prompts, by an FNV-1a hash of their letters: only `exam` and `quiz` ask them. */
function isUnseen(prompt) {
  let h = 2166136261;
  for (const c of prompt) h = Math.imul(h ^ c.charCodeAt(0), 16777619) >>> 0;
  return h % 5 === 0;
}

/** One task that is (not) kept for the exam. */
function drawn(random, unseen) {
  for (;;) {
    const found = task(random);
    if (isUnseen(found.prompt) === unseen) return found;
  }
}

function wrong(random, right) {
  const off = 1 + random(3);
  return right >= off && random(2) === 0 ? right - off : right + off;
}

const rows = {
  sums: (random) => {
    const { prompt, answer } = drawn(random, false);
    return { prompt, completion: ` ${answer}` };
  },
  preferences: (random) => {
    const { prompt, answer } = drawn(random, false);
    // Half of the rejected answers are wrong, half are right but long-winded: DPO learns both.
    const rejected = random(2) === 0 ? ` ${wrong(random, answer)}` : ` ${answer} or so, I am not sure`;
    return { prompt, chosen: ` ${answer}`, rejected };
  },
  quiz: (random) => {
    const { prompt, answer } = drawn(random, true);
    const choices = [answer, answer + 1, answer + 2, answer + 3].map((n) => ` ${n}`);
    const at = random(4);
    [choices[0], choices[at]] = [choices[at], choices[0]];
    return { prompt, choices, answer: at };
  },
};

function write(name, lines) {
  writeFileSync(join(folder, `${name}.jsonl`), `${lines.map((row) => JSON.stringify(row)).join("\n")}\n`);
}

for (const [name, count, seed] of [
  ["sums", 2000, 1],
  ["preferences", 1000, 2],
  ["quiz", 100, 4],
]) {
  const random = generator(seed);
  write(
    name,
    Array.from({ length: count }, () => rows[name](random)),
  );
}

// Every prompt that no file above asks, once.
const digits = Array.from({ length: 10 }, (_, i) => i);
const exam = digits.flatMap((a) =>
  digits.flatMap((b) => [
    { prompt: `${a} + ${b} =`, answer: String(a + b) },
    ...(a >= b ? [{ prompt: `${a} - ${b} =`, answer: String(a - b) }] : []),
    { prompt: `larger of ${a} and ${b}:`, answer: String(Math.max(a, b)) },
  ]),
);
write(
  "exam",
  exam.filter(({ prompt }) => isUnseen(prompt)),
);

// The larger or the smaller of two numbers with two digits: all such prompts in random order, each in one file at most.
const twoDigits = Array.from({ length: 90 }, (_, i) => 10 + i);
const comparisons = twoDigits.flatMap((a) =>
  twoDigits.flatMap((b) =>
    a === b
      ? []
      : [
          { prompt: `${a} max ${b} =`, answer: String(Math.max(a, b)) },
          { prompt: `${a} min ${b} =`, answer: String(Math.min(a, b)) },
        ],
  ),
);
const random = generator(5);
for (let i = comparisons.length - 1; i > 0; i--) {
  const j = random(i + 1);
  [comparisons[i], comparisons[j]] = [comparisons[j], comparisons[i]];
}
write("comparison-exam", comparisons.slice(0, 500));
write("comparison-questions", comparisons.slice(500, 5500));
write(
  "comparisons",
  comparisons.slice(5500, 7500).map(({ prompt, answer }) => ({ prompt, completion: ` ${answer}` })),
);
