/** nf4 with its scales quantised again, against bitsandbytes (make_nf4.py); and resuming, which must not pack twice. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { elementBytes } from "../../src/planner/bytes.js";
import { dynamicMap, packNf4, packScales, storedScales, unpackNf4, unpackScales } from "../../src/program/index.js";
import { numbers } from "./contract.js";

const expected = JSON.parse(readFileSync(join(import.meta.dirname, "fixtures/nf4.json"), "utf8")) as {
  readonly blocks: number;
  readonly codes: string;
  readonly scales: readonly number[];
  readonly groups: readonly number[];
  readonly offset: number;
  readonly map: readonly number[];
  readonly values: readonly number[];
};

describe("bitsandbytes", () => {
  const x = numbers(7, 64 * expected.blocks).map((v, i) => {
    const block = Math.floor(i / 64);
    return v * 2 ** -((block * 7) % 5) * (1 + (block % 3));
  });
  const { codes, scales } = packNf4(x);
  const small = packScales(scales);

  it("has the same 256 numbers for scales", () => {
    expect(dynamicMap).toHaveLength(256);
    dynamicMap.forEach((v, i) => {
      expect(Math.abs(v - expected.map[i]!)).toBeLessThanOrEqual(2e-7 * Math.abs(v));
    });
  });
  it("has the same codes, scales, groups and mean", () => {
    Array.from(expected.codes, (c, i) => expect((codes[i >> 3]! >>> (4 * (i & 7))) & 15).toBe(Number.parseInt(c, 16)));
    // The mean is summed in another order, which may tip a scale in the middle between two numbers.
    expect(small.groups.at(-1)).toBeCloseTo(expected.offset, 6);
    expected.groups.forEach((g, i) => {
      expect(small.groups[i]).toBeCloseTo(g, 5);
    });
    const got = expected.scales.map((_, i) => (small.codes[i >> 2]! >>> (8 * (i & 3))) & 255);
    expect(got.filter((c, i) => c !== expected.scales[i]).length).toBeLessThanOrEqual(3);
    expect(got.every((c, i) => Math.abs(c - expected.scales[i]!) <= 1)).toBe(true);
  });
  it("gives back the same values", () => {
    const back = new Float32Array(scales.length);
    unpackScales(small.codes, small.groups, back);
    expect(storedScales(x)).toEqual(back);
    const out = new Float32Array(x.length);
    unpackNf4(codes, back, out);
    const off = expected.values.filter((v, i) => Math.abs(out[97 * i]! - v) > 1e-6 + 1e-5 * Math.abs(v));
    expect(off.length).toBeLessThanOrEqual(2);
  });
  it("takes the bytes that the planner counts", () => {
    const bytes = codes.byteLength + small.codes.byteLength + small.groups.byteLength;
    // The last group is not full, and there is the mean.
    expect(bytes / x.length / elementBytes.nf4!).toBeGreaterThanOrEqual(1);
    expect(bytes / x.length / elementBytes.nf4!).toBeLessThan(1.001);
  });
});

describe("llmp run with QLoRA", () => {
  const root = mkdtempSync(join(tmpdir(), "llmp-nf4-"));
  afterAll(() => rmSync(root, { recursive: true, force: true }));
  const run = (name: string, ...args: string[]) => {
    writeFileSync(join(root, "text.txt"), "the cat sat on the mat, the dog ran after it\n".repeat(100));
    writeFileSync(
      join(root, `${name}.llmp`),
      `tokenizer letters { kind = bytes }
       dataset text { source = "text.txt", format = text }
       model tiny { architecture = llama, layers = 2, hidden = 32, heads = 4, kv_heads = 2, ffn = 64, vocab = 320, context_length = 32 }
       adapter small { kind = qlora, rank = 4 }
       train t {
         objective = pretrain, model = tiny, data = text, steps = 4, batch = 4 sequences, precision = fp32, adapter = small
         optimizer = adamw { lr = 1e-2 }
         save = every 2 steps
       }\n`,
    );
    const cli = join(import.meta.dirname, "../../dist/llmp.js");
    execFileSync(process.execPath, [cli, "run", `${name}.llmp`, "--backend", "wasm", "--json", ...args], {
      cwd: root,
      stdio: ["ignore", "ignore", "pipe"],
    });
    return readFileSync(join(root, `runs/${name}/t/final/model.safetensors`));
  };
  it("resumed ends with the same weights to the bit", () => {
    const straight = run("straight");
    run("resumed", "--steps", "2");
    expect(run("resumed", "--resume").equals(straight)).toBe(true);
    expect(run("short", "--steps", "2").equals(straight)).toBe(false);
  });
});
