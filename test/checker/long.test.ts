import { expect, test } from "vitest";
import { checkText } from "./helpers.js";

const shape =
  "architecture = llama, layers = 8, hidden = 512, heads = 8, ffn = 1408, vocab = 32000, context_length = 2Ki";
const many = (n: number, line: (i: number) => string): string =>
  Array.from({ length: n }, (_, i) => line(i)).join("\n");
const codes = (text: string): Set<string> => new Set(checkText(text).diagnostics.map((d) => d.code));

test("sums of sums are cheap", () => {
  expect(codes(`let a0 = 1\n${many(150, (i) => `let a${i + 1} = a${i} + a${i}`)}\n`)).toEqual(new Set());
});

test("names that build on thousands of others are refused, not followed", () => {
  expect(codes(`${many(5000, (i) => `let a${i} = a${i + 1} + 1`)}\nlet a5000 = 1\n`)).toEqual(new Set(["LLMP2019"]));
});

test("long chains of stages and of models come to an end", () => {
  const stages = many(1500, (i) => `train s${i} from s${i + 1} { }`);
  expect(codes(`${stages}\n`)).toContain("LLMP1004");
  const models = many(1000, (i) => `model m${i}: m${i + 1} { layers = ${i + 1} }`);
  expect(codes(`${models}\nmodel m1000 { ${shape} }\n`)).toEqual(new Set());
});

test("a chain of stages that closes is one mistake", () => {
  const stages = many(50, (i) => `train s${i} from s${(i + 1) % 50} { }`);
  expect(checkText(`${stages}\n`).diagnostics.filter((d) => d.code === "LLMP1011")).toHaveLength(1);
});

test("a model with a trillion heads is answered at once", () => {
  const text = `model big { ${shape.replace("heads = 8", "heads = 1T, head_dim = 2")} }
dataset text { source = "s3://a" }
train base { objective = pretrain, model = big, data = text, steps = 10, batch = 8 sequences, parallel = { tensor = 7 } }
`;
  expect(codes(text)).toContain("LLMP3004");
});
