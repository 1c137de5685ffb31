import { expect, test } from "vitest";
import type { Reward } from "../../src/checker/pipeline.js";
import { finalAnswer, openRewards, sameAnswer } from "../../src/runtime/rewards/index.js";

const known = <T>(value: T) => ({ value, from: "file" as const });
const reward = (kind: Reward["kind"]["value"], more: Partial<Reward> = {}): Reward => ({
  name: kind,
  kind: known(kind),
  timeout: known(5),
  weight: known(1),
  ...more,
});
const context = { root: process.cwd(), maxCompletion: 10 };
const judge = (rewards: Reward[], ...completions: string[]) =>
  openRewards(
    rewards,
    context,
  )(
    completions.map((completion) => ({
      prompt: "6*7=",
      completion,
      answer: "42",
      completionTokens: completion.length,
    })),
  );
const node = (code: string) => known([process.execPath, "-e", code]);
const readInput = "const i=JSON.parse(require('fs').readFileSync(0,'utf8'));";

test("final answers by marker", () => {
  const cases: [string, string][] = [
    [" 42", "42"],
    ["<think>is it 41?</think> 42", "42"],
    ["so <answer> 42 </answer> done", "42"],
    ["\\boxed{1} then \\boxed{\\frac{1}{2}}", "\\frac{1}{2}"],
    ["first 40\n#### 42", "42"],
    ["<answer>42", "42"],
  ];
  for (const [text, answer] of cases) expect(finalAnswer(text)).toBe(answer);
});

test("answers are the same as numbers or as plain text", () => {
  for (const [a, b] of [
    ["1,234", "1234.0"],
    ["0.75", "3/4"],
    ["$5", "5"],
    ["Paris.", " paris"],
    ["-0", "0"],
  ] as const)
    expect(sameAnswer(a, b), `${a} ${b}`).toBe(true);
  for (const [a, b] of [
    ["12", "1,2"],
    ["42 or so", "42"],
    ["", "0"],
    ["1/0", "1"],
  ] as const)
    expect(sameAnswer(a, b), `${a} ${b}`).toBe(false);
});

test("weights add up; means are before weights", async () => {
  const { totals, means } = await judge(
    [reward("exact_answer"), reward("length", { weight: known(0.5) })],
    "42",
    "0123456789",
  );
  expect([...totals]).toEqual([1.5, 0]);
  expect(means).toEqual({ exact_answer: 0.5, length: 0.5 });
});

test("a regex finds over line ends, and one that never ends is cut off", async () => {
  const pattern = known("^<think>.*</think>");
  expect([...(await judge([reward("regex", { pattern })], "<think>a\nb</think>", "no")).totals]).toEqual([1, 0]);
  const started = performance.now();
  const slow = await judge([reward("regex", { pattern: known("^(a+)+$") })], `${"a".repeat(60)}b`, "aa");
  expect(performance.now() - started).toBeLessThan(2000);
  expect([...slow.totals]).toEqual([0, 1]);
  expect(slow.firstFault).toMatch(/longer than 100 ms/);
  expect(() => openRewards([reward("regex", { pattern: known("(") })], context)).toThrow(/LLMP6501/);
});

test("a command reads JSON and prints a number; no shell is involved", async () => {
  const command = node(`${readInput}console.log('judging'); console.log(i.completion === i.answer ? 0.75 : 0)`);
  expect([...(await judge([reward("command", { command })], "42", "$(echo 42)", "`42`")).totals]).toEqual([0.75, 0, 0]);
});

test("a command that hangs, fails or prints nonsense counts as 0, unless none works", async () => {
  const command = node(
    `${readInput}if (i.completion==='hang') setInterval(()=>{},1e3); else if (i.completion==='die') process.exit(3); else console.log(i.completion)`,
  );
  const mixed = await judge([reward("command", { command, timeout: known(0.5) })], "hang", "die", "what", "1");
  expect([...mixed.totals]).toEqual([0, 0, 0, 1]);
  expect(mixed.faults).toBe(3);
  await expect(judge([reward("command", { command })], "die")).rejects.toThrow(
    /LLMP6501.*no answer could be judged.*ended with 3/,
  );
  await expect(judge([reward("command", { command: known(["no-such-program-here"]) })], "1")).rejects.toThrow(
    /cannot run/,
  );
});
