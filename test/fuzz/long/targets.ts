/** What reads a stranger's bytes, each with seeds. A target answers, or throws one of the errors it is meant to throw. */
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { check } from "../../../src/checker/index.js";
import { format, parse } from "../../../src/parser/index.js";
import { localFile } from "../../../src/runtime/data/files.js";
import { jsonRows, parquetRows } from "../../../src/runtime/data/rows.js";
import { jsonTokenizer } from "../../../src/runtime/tokenizer/index.js";
import { RunFailure } from "../../../src/runtime/types.js";
import { parseHeader, SafetensorsFile } from "../../../src/runtime/weights/index.js";

export interface Target {
  readonly name: string;
  readonly seeds: readonly Uint8Array[];
  /** Throws where the reader did something it must not. */
  readonly run: (input: Uint8Array) => void | Promise<void>;
}

const root = process.cwd();
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (input: Uint8Array): string => new TextDecoder().decode(input);
const at = (...parts: string[]): string => path.join(root, ...parts);
const scratch = mkdtempSync(path.join(tmpdir(), "llmp-fuzz-"));

/** Blocks of the error pages: small, and each is at an edge of the language already. */
const pages = readdirSync(at("docs/errors")).flatMap((f) =>
  [...readFileSync(at("docs/errors", f), "utf8").matchAll(/```llmp\n([\s\S]*?)```/g)].map((m) => bytes(m[1] ?? "")),
);
const std = new Map(readdirSync(at("std")).map((f) => [`std/${f}`, readFileSync(at("std", f), "utf8")]));
const host = { read: (file: string) => std.get(file) };

function inside(source: string, diagnostics: ReturnType<typeof parse>["diagnostics"]): void {
  for (const { primary, code } of diagnostics) {
    if (primary === undefined || primary.span.file !== "main.llmp") continue;
    const { start, end } = primary.span;
    if (!(start >= 0 && end >= start && end <= source.length))
      throw new Error(`${code} points outside: ${start}-${end}`);
  }
}

async function refuses(work: () => unknown): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof RunFailure)) throw error;
  }
}

/** Whatever a third party's reader throws is shown with the file's name; it must only end, and take no one along. */
async function ends(work: () => Promise<void>): Promise<void> {
  await work().catch(() => undefined);
  await new Promise((done) => setImmediate(done));
}

const drained = async (rows: AsyncIterable<unknown>): Promise<void> => {
  let left = 10_000;
  for await (const _ of rows) if (--left === 0) break;
};

export const targets: readonly Target[] = [
  {
    name: "parser",
    seeds: pages,
    run: (input) => {
      const source = text(input);
      const file = { path: "main.llmp", text: source };
      const { value, diagnostics } = parse(file);
      inside(source, diagnostics);
      if (diagnostics.length > 0) return;
      const once = format(file, value);
      const again = parse({ path: "main.llmp", text: once });
      if (again.diagnostics.length > 0) throw new Error("what is formatted no longer parses");
      if (format({ path: "main.llmp", text: once }, again.value) !== once) throw new Error("format is not idempotent");
    },
  },
  {
    name: "checker",
    seeds: pages,
    run: (input) => {
      const source = text(input);
      const { value } = parse({ path: "main.llmp", text: source });
      inside(source, check(value, host).diagnostics);
    },
  },
  {
    name: "safetensors header",
    seeds: [
      bytes(
        '{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"b":{"dtype":"BF16","shape":[3],"data_offsets":[16,22]}}',
      ),
    ],
    run: (input) => {
      try {
        parseHeader(text(input), 22);
      } catch (error) {
        if (error instanceof TypeError || error instanceof RangeError) throw error;
      }
    },
  },
  {
    name: "safetensors file",
    seeds: [readFileSync(at("test/weights/fixtures/llama2/model.safetensors")).subarray(0, 4096)],
    run: (input) => {
      const file = path.join(scratch, "x.safetensors");
      writeFileSync(file, input);
      return refuses(() => {
        const opened = new SafetensorsFile(file);
        for (const name of opened.names) opened.float32(name);
        opened.close();
      });
    },
  },
  {
    name: "JSON lines",
    seeds: [bytes('{"text":"one"}\n{"text":"two","n":[1,2]}\n{"messages":[{"role":"user","content":"hi"}]}\n')],
    run: (input) => {
      const file = path.join(scratch, "x.jsonl");
      writeFileSync(file, input);
      return refuses(() => drained(jsonRows(localFile("x.jsonl", file))));
    },
  },
  {
    name: "Parquet",
    seeds: ["chat_none", "chat_snappy", "chat_gzip", "chat_zstd"].map((f) =>
      readFileSync(at(`test/data/fixtures/${f}.parquet`)),
    ),
    run: (input) => {
      const file = path.join(scratch, "x.parquet");
      writeFileSync(file, input);
      return ends(() => drained(parquetRows(localFile("x.parquet", file))));
    },
  },
  {
    name: "tokenizer.json",
    seeds: [
      bytes(
        JSON.stringify({
          version: "1.0",
          added_tokens: [
            {
              id: 4,
              content: "<|endoftext|>",
              special: true,
              single_word: false,
              lstrip: false,
              rstrip: false,
              normalized: false,
            },
          ],
          normalizer: null,
          pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
          decoder: { type: "ByteLevel" },
          model: { type: "BPE", vocab: { a: 0, b: 1, ab: 2, c: 3 }, merges: ["a b"] },
        }),
      ),
    ],
    run: (input) =>
      refuses(async () => {
        const tokenizer = await jsonTokenizer({ path: "tokenizer.json", json: text(input) });
        tokenizer.encode("abc ab");
      }),
  },
];
