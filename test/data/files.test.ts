import { cpSync, existsSync, readdirSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { parquetWriteBuffer } from "hyparquet-writer";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { byteTokenizer } from "../../src/runtime/tokenizer/index.js";
import { column, dataset, folder, openTest, type TestStage } from "./helpers.js";

const docs = Array.from({ length: 30 }, (_, i) => `document ${i} says ${"é".repeat(i)}`);
const jsonl = docs.map((text) => JSON.stringify({ text })).join("\n");
/** `zstd` of `jsonl`, made once with the reference tool's stored-block form: magic, header, raw blocks. */
function zstdStored(data: Uint8Array): Uint8Array {
  const head = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0, 0]);
  head.writeUInt32LE(data.length, 5);
  const block = Buffer.alloc(3);
  block.writeUIntLE((data.length << 3) | 1, 0, 3);
  return Buffer.concat([head, block, data]);
}
const parquet = (rows: readonly string[]) =>
  new Uint8Array(
    parquetWriteBuffer({ columnData: [{ name: "text", data: [...rows], type: "STRING" }], rowGroupSize: 7 }),
  );

/** All documents of a source as text. */
async function everything(t: Partial<TestStage> & Pick<TestStage, "root" | "datasets">): Promise<string[]> {
  const { source } = await openTest(t);
  const name = t.datasets[0]?.name ?? "";
  const view = source.train[name];
  if (view === undefined) throw new Error("no view");
  return Array.from({ length: view.count }, (_, i) => {
    const [start, end] = [view.starts[i] ?? 0, view.ends[i] ?? 0];
    const ids = new Int32Array(end - start);
    view.store.read(start, end, ids, 0);
    return byteTokenizer().decode(ids, { skipSpecial: true });
  });
}

describe("containers", () => {
  const root = folder({
    "d.jsonl": jsonl,
    "d.jsonl.gz": gzipSync(jsonl),
    "d.jsonl.zst": zstdStored(Buffer.from(jsonl)),
    "d.parquet": parquet(docs),
    "parts/1.jsonl": docs
      .slice(0, 10)
      .map((text) => JSON.stringify({ text }))
      .join("\r\n"),
    "parts/2.parquet": parquet(docs.slice(10, 20)),
    "parts/deep/3.jsonl": docs
      .slice(20)
      .map((text) => JSON.stringify({ text }))
      .join("\n"),
    "t/a.txt.gz": gzipSync("plain text"),
    "d.json": JSON.stringify(
      docs.map((text) => ({ text })),
      null,
      1,
    ),
  });
  for (const name of ["d.json", "d.jsonl", "d.jsonl.gz", "d.jsonl.zst", "d.parquet"])
    test(name, async () => expect(await everything({ root, datasets: [dataset("d", name)] })).toEqual(docs));
  test("globs and lists, in order", async () => {
    expect(await everything({ root, datasets: [dataset("d", "parts/**/*.{jsonl,parquet}")] })).toEqual(docs);
    expect(await everything({ root, datasets: [dataset("d", ["parts/?.*", "parts/deep/3.jsonl"])] })).toEqual(docs);
    expect(await everything({ root, datasets: [dataset("d", "parts")] })).toEqual(docs);
  });
  test("text", async () =>
    expect(await everything({ root, datasets: [dataset("d", "t/*.gz")] })).toEqual(["plain text"]));
  test("nothing there", async () => {
    await expect(everything({ root, datasets: [dataset("d", "no/*.txt")] })).rejects.toThrow(/LLMP6103/);
  });
});

describe("files of other tools", () => {
  const fixtures = join(import.meta.dirname, "fixtures");
  test.each(["snappy", "zstd", "gzip", "none"])(
    "Parquet by pyarrow, %s: lists of messages, numbers, nulls",
    async (codec) => {
      const root = folder({});
      cpSync(join(fixtures, `chat_${codec}.parquet`), join(root, "d.parquet"));
      const d = dataset("d", "d.parquet");
      const chats = await everything({ root, datasets: [d], objective: "sft" });
      expect(chats).toHaveLength(12);
      expect(chats[4]).toBe("user\n4+4? é\nassistant\n8\n");
      const { source } = await openTest({
        root,
        datasets: [d],
        objective: "grpo",
        length: 64,
        sequences: 12,
        steps: 1,
      });
      const { answers } = await source.batch(0);
      expect([...(answers ?? [])].map(Number).sort((a, b) => a - b)).toEqual(docs.slice(0, 12).map((_, i) => 2 * i));
      const { source: texts, diagnostics } = await openTest({ root, datasets: [d] });
      expect(texts.train.d?.count).toBe(11);
      expect(diagnostics[0]?.message).toMatch(/d.parquet:row 4: has no `text`/);
    },
  );
  test("zstd with real compression", async () => {
    const root = folder({});
    cpSync(join(fixtures, "text.jsonl.zst"), join(root, "d.jsonl.zst"));
    const texts = await everything({ root, datasets: [dataset("d", "d.jsonl.zst")] });
    expect(texts).toHaveLength(30);
    expect(texts[29]).toBe(`zstd row 29 ${"the same words again ".repeat(20)}`);
  });
});

describe("bad rows", () => {
  const bad = `{"text":"good"}\n{"text":\n\n[1]\n{"other":1}\n{"text":7}\n{"text":"good too"}\n`;
  test("are skipped, counted and shown with their place", async () => {
    const root = folder({ "d.jsonl": bad });
    const { source, diagnostics } = await openTest({ root, datasets: [dataset("d", "d.jsonl")] });
    expect(source.train.d?.count).toBe(2);
    expect(diagnostics.map((d) => d.code)).toEqual(["LLMP6106"]);
    expect(diagnostics[0]?.message).toMatch(/skipped 4 bad rows of 6; the first: d.jsonl:2: not JSON/);
    expect(diagnostics[0]?.hints).toContain("d.jsonl:4: not a JSON object");
  });
  test("or end the run, where told; nothing half-built stays", async () => {
    const root = folder({ "d.jsonl": bad });
    await expect(openTest({ root, datasets: [dataset("d", "d.jsonl")], badRows: "fatal" })).rejects.toThrow(
      /LLMP6105: d.jsonl:2/,
    );
    expect(readdirSync(join(root, ".llmp-cache"))).toEqual([]);
  });
  test("a file that breaks off, data of the wrong kind, ids beyond the model", async () => {
    const root = folder({
      "d.jsonl.gz": gzipSync(jsonl).subarray(0, 60),
      "d.jsonl": jsonl,
      "d.parquet": new Uint8Array(50),
    });
    await expect(openTest({ root, datasets: [dataset("d", "d.jsonl.gz")] })).rejects.toThrow(
      /LLMP6104: cannot read d.jsonl.gz/,
    );
    await expect(openTest({ root, datasets: [dataset("d", "d.parquet")] })).rejects.toThrow(/LLMP6104/);
    await expect(openTest({ root, datasets: [dataset("d", "d.jsonl")], objective: "dpo" })).rejects.toThrow(
      /LLMP6110.*dpo needs `chosen` and `rejected`, and the rows have columns text/,
    );
    const tokenizer = { ...byteTokenizer(), vocab: 100 };
    await expect(openTest({ root, datasets: [dataset("d", "d.jsonl")], tokenizer })).rejects.toThrow(/LLMP6108/);
  });
});

test("the cache is made once, and again when the file or the columns change", async () => {
  const root = folder({ "d.jsonl": `{"text":"one","b":"two"}` });
  const names = () => readdirSync(join(root, ".llmp-cache"));
  await everything({ root, datasets: [dataset("d", "d.jsonl")] });
  await everything({ root, datasets: [dataset("d", "d.jsonl")] });
  expect(names()).toHaveLength(1);
  expect(await everything({ root, datasets: [dataset("d", "d.jsonl", { field: column("b") })] })).toEqual(["two"]);
  expect(names()).toHaveLength(2);
  // A damaged cache is rebuilt.
  const [first] = names();
  rmSync(join(root, ".llmp-cache", first ?? "", "tokens.bin"));
  await everything({ root, datasets: [dataset("d", "d.jsonl")] });
  await everything({ root, datasets: [dataset("d", "d.jsonl", { field: column("b") })] });
  expect(existsSync(join(root, ".llmp-cache", first ?? "", "tokens.bin"))).toBe(true);
});

describe("s3", () => {
  /** What the SDK needs of S3: ListObjectsV2 in pages of two, GetObject with ranges; the first answer of each object fails. */
  const objects: Record<string, Buffer> = {
    "corpus/a.jsonl": Buffer.from(
      docs
        .slice(0, 10)
        .map((text) => JSON.stringify({ text }))
        .join("\n"),
    ),
    "corpus/b.parquet": Buffer.from(parquet(docs.slice(10, 20))),
    "corpus/c.jsonl.gz": gzipSync(
      docs
        .slice(20)
        .map((text) => JSON.stringify({ text }))
        .join("\n"),
    ),
    "other/z.jsonl": Buffer.from("{}"),
  };
  let server: Server;
  let ranges = 0;
  const failed = new Set<string>();
  beforeAll(async () => {
    server = createServer((request, response) => {
      const url = new URL(request.url ?? "", "http://x");
      const path = decodeURIComponent(url.pathname).replace(/^\/bucket\/?/, "");
      if (path === "") {
        const keys = Object.keys(objects).filter((k) => k.startsWith(url.searchParams.get("prefix") ?? ""));
        const from = Number(url.searchParams.get("continuation-token") ?? 0);
        const page = keys.slice(from, from + 2);
        const more = from + 2 < keys.length;
        response.setHeader("content-type", "application/xml");
        response.end(
          `<ListBucketResult><IsTruncated>${more}</IsTruncated>${more ? `<NextContinuationToken>${from + 2}</NextContinuationToken>` : ""}${page
            .map((k) => `<Contents><Key>${k}</Key><Size>${objects[k]?.length}</Size><ETag>"e"</ETag></Contents>`)
            .join("")}</ListBucketResult>`,
        );
        return;
      }
      const object = objects[path];
      const range = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? "");
      if (object === undefined || range === null) {
        response.statusCode = 404;
        response.end("<Error><Code>NoSuchKey</Code></Error>");
        return;
      }
      if (!failed.has(path)) {
        failed.add(path);
        response.statusCode = 503;
        response.end("<Error><Code>SlowDown</Code><Message>slow down</Message></Error>");
        return;
      }
      ranges++;
      const body = object.subarray(Number(range[1]), Number(range[2]) + 1);
      response.statusCode = 206;
      response.setHeader("content-length", body.length);
      response.end(body);
    });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    Object.assign(process.env, {
      AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      AWS_ACCESS_KEY_ID: "test",
      AWS_SECRET_ACCESS_KEY: "test",
    });
  });
  afterAll(() => {
    for (const name of ["AWS_ENDPOINT_URL_S3", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]) delete process.env[name];
    server.close();
  });

  test("globs over pages, JSONL, Parquet and gzip, with retries", async () => {
    const root = folder({});
    expect(await everything({ root, datasets: [dataset("d", "s3://bucket/corpus/*")] })).toEqual(docs);
    expect(ranges).toBeGreaterThan(3);
    await expect(everything({ root, datasets: [dataset("d", "s3://bucket/nope/*")] })).rejects.toThrow(/LLMP6103/);
  });
});
