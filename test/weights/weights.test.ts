import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Adapter } from "../../src/checker/pipeline.js";
import type { NamedTensor } from "../../src/runtime/interfaces.js";
import {
  fromFloat32,
  mergeAdapter,
  openWeights,
  parseHeader,
  readAdapter,
  SafetensorsFile,
  toFloat32,
  writeAdapter,
  writeWeights,
} from "../../src/runtime/weights/index.js";

const fixtures = join(import.meta.dirname, "fixtures");
const temporary = () => mkdtempSync(join(tmpdir(), "llmp-weights-"));
const families = readdirSync(fixtures).filter((name) => existsSync(join(fixtures, name, "config.json")));

async function all(path: string): Promise<NamedTensor[]> {
  const store = openWeights(path);
  const out: NamedTensor[] = [];
  for (const name of store.names()) out.push((await store.read(name)) as NamedTensor);
  await store.close();
  return out;
}

describe("files made by transformers", () => {
  test.each(families)("%s: read and written back byte for byte", async (name) => {
    const tensors = await all(join(fixtures, name));
    expect(tensors.length).toBeGreaterThan(10);
    const folder = temporary();
    writeWeights(folder, tensors);
    const [was, is] = [join(fixtures, name), folder].map((f) => new SafetensorsFile(join(f, "model.safetensors")));
    expect(is?.header.tensors).toEqual(was?.header.tensors);
    for (const tensor of tensors) expect(is?.raw(tensor.name)).toEqual(was?.raw(tensor.name));
  });

  test("shards with an index", async () => {
    const tensors = await all(join(fixtures, "gpt2"));
    const folder = temporary();
    writeWeights(folder, tensors, { maxShardBytes: 8000 });
    const index = JSON.parse(readFileSync(join(folder, "model.safetensors.index.json"), "utf8"));
    expect(new Set(Object.values(index.weight_map)).size).toBeGreaterThan(3);
    const back = new Map((await all(folder)).map((t) => [t.name, t]));
    for (const tensor of tensors) expect(back.get(tensor.name)).toEqual(tensor);
  });
});

describe("element types", () => {
  test("bf16 and fp16 round to nearest even; known values of each format", () => {
    const as = (dtype: "BF16" | "F16", values: number[]) => [
      ...(toFloat32(dtype, fromFloat32(dtype, Float32Array.from(values))) ?? []),
    ];
    expect(as("BF16", [1, 1 + 2 ** -8, 1 + 3 * 2 ** -8, -3.4e38, Number.POSITIVE_INFINITY])).toEqual([
      1,
      1,
      1 + 2 ** -6,
      Number.NEGATIVE_INFINITY,
      Number.POSITIVE_INFINITY,
    ]);
    expect(as("F16", [65_504, 65_519, 65_520, 2 ** -24, 2 ** -25, 1 + 2 ** -11, 1 + 3 * 2 ** -11, -0.1])).toEqual([
      65_504,
      65_504,
      Number.POSITIVE_INFINITY,
      2 ** -24,
      0,
      1,
      1 + 2 ** -9,
      -0.0999755859375,
    ]);
    expect([...(toFloat32("F8_E4M3", Uint8Array.of(0x00, 0x01, 0x38, 0x7e, 0xfe, 0x7f)) ?? [])]).toEqual([
      0,
      2 ** -9,
      1,
      448,
      -448,
      Number.NaN,
    ]);
    expect([...(toFloat32("F8_E5M2", Uint8Array.of(0x01, 0x3c, 0x7b, 0x7c)) ?? [])]).toEqual([
      2 ** -16,
      1,
      57_344,
      Number.POSITIVE_INFINITY,
    ]);
  });

  test("every fp16 code survives the way to fp32 and back", () => {
    const codes = Uint16Array.from({ length: 65_536 }, (_, i) => i);
    const back = new Uint16Array(
      fromFloat32("F16", toFloat32("F16", new Uint8Array(codes.buffer)) as Float32Array).buffer,
    );
    for (let code = 0; code < 65_536; code++) if ((code & 0x7fff) <= 0x7c00) expect(back[code]).toBe(code);
  });
});

describe("hostile files", () => {
  const tensor = (start: number, end: number, shape = [(end - start) / 4]) => ({
    dtype: "F32",
    shape,
    data_offsets: [start, end],
  });
  const cases: [string, unknown, number, RegExp][] = [
    ["overlap", { a: tensor(0, 8), b: tensor(4, 12) }, 12, /overlaps/],
    ["gap", { a: tensor(0, 8), b: tensor(12, 16) }, 16, /gap/],
    ["beyond the end", { a: tensor(0, 400) }, 12, /cut short/],
    ["bytes left over", { a: tensor(0, 8) }, 12, /12 bytes of data where its header describes 8/],
    ["shape and bytes differ", { a: tensor(0, 8, [3]) }, 8, /its shape needs 12/],
    ["overflowing shape", { a: tensor(0, 8, [2 ** 52, 2 ** 52]) }, 8, /its shape needs/],
    ["negative", { a: { dtype: "F32", shape: [-2], data_offsets: [0, 8] } }, 8, /valid shape/],
    ["type", { a: { dtype: "F31", shape: [2], data_offsets: [0, 8] } }, 8, /unknown type F31/],
    ["list", [], 0, /not an object/],
    ["metadata", { __metadata__: { a: 1 } }, 0, /metadata/],
  ];
  test.each(cases)("%s", (_, header, length, message) => {
    expect(() => parseHeader(JSON.stringify(header), length)).toThrow(message);
  });

  test("cut or damaged at any byte: a diagnostic, never a crash or a huge allocation", () => {
    const whole = readFileSync(join(fixtures, "gpt2", "model.safetensors"));
    const folder = temporary();
    const header = 8 + Number(whole.readBigUInt64LE());
    fc.assert(
      fc.property(fc.nat(header + 8), fc.nat(255), fc.boolean(), (at, byte, cut) => {
        const damaged = cut ? whole.subarray(0, at) : Buffer.from(whole);
        if (!cut) damaged[at] = byte;
        const path = join(folder, "x.safetensors");
        writeFileSync(path, damaged);
        try {
          new SafetensorsFile(path).close();
        } catch (error) {
          expect((error as Error).message).toMatch(/^LLMP6201/);
        }
      }),
      { numRuns: 300, seed: 5 },
    );
  });

  test("an index that leads out of the folder, a missing shard, no weights at all", () => {
    const folder = temporary();
    expect(() => openWeights(folder)).toThrow(/LLMP6203.*no model.safetensors/);
    writeFileSync(join(folder, "pytorch_model.bin"), "");
    expect(() => openWeights(folder)).toThrow(/convert it/);
    const index = (file: string) =>
      writeFileSync(join(folder, "model.safetensors.index.json"), JSON.stringify({ weight_map: { a: file } }));
    index("../../etc/passwd");
    expect(() => openWeights(folder)).toThrow(/not in the folder/);
    index("gone.safetensors");
    expect(() => openWeights(folder)).toThrow(/gone.safetensors is missing/);
  });
});

describe("LoRA in PEFT's format", () => {
  const known = <T>(value: T) => ({ value, from: "file" as const });
  const adapter: Adapter = {
    name: "a",
    kind: known("lora"),
    rank: known(2),
    alpha: known(6),
    dropout: known(0.05),
    targets: known(["q_proj", "down_proj"]),
  };

  test("an adapter made by peft merges to what peft merges it to", async () => {
    const { lora, rank, alpha } = await readAdapter(join(fixtures, "llama2_lora"));
    expect([rank, alpha]).toEqual([2, 6]);
    const merged = mergeAdapter(await all(join(fixtures, "llama2")), lora, adapter);
    const expected = JSON.parse(readFileSync(join(fixtures, "llama2_lora", "merged.json"), "utf8")) as Record<
      string,
      number[]
    >;
    for (const [name, values] of Object.entries(expected)) {
      const got = merged.find((t) => t.name === name)?.values ?? [];
      expect(got.length).toBe(values.length);
      for (const [i, value] of values.entries()) expect(got[i]).toBeCloseTo(value, 5);
    }
  });

  test("LLMP6205: half a pair, or a module that the model has not", async () => {
    const { lora } = await readAdapter(join(fixtures, "llama2_lora"));
    const base = await all(join(fixtures, "llama2"));
    const half = lora.filter((t) => !(t === lora[0]));
    const elsewhere = lora.map((t) => ({ ...t, name: t.name.replace("layers.0", "layers.9") }));
    for (const wrong of [half, elsewhere])
      expect(() => mergeAdapter(base, wrong, adapter)).toThrow(
        expect.objectContaining({ diagnostic: expect.objectContaining({ code: "LLMP6205" }) }),
      );
  });

  test("written again, it has peft's names, shapes and settings", async () => {
    const was = join(fixtures, "llama2_lora");
    const { lora } = await readAdapter(was);
    const folder = temporary();
    writeAdapter(folder, lora, adapter, "llama2");
    const header = (f: string) => new SafetensorsFile(join(f, "adapter_model.safetensors")).header.tensors;
    expect(new Map([...header(folder)].map(([n, e]) => [n, e.shape]))).toEqual(
      new Map([...header(was)].map(([n, e]) => [n, e.shape])),
    );
    const config = (f: string) => JSON.parse(readFileSync(join(f, "adapter_config.json"), "utf8"));
    const theirs = config(was);
    theirs.target_modules.sort();
    expect(theirs).toMatchObject(config(folder));
  });
});
