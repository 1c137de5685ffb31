import type { DatasetFormat } from "../../checker/pipeline.js";
import { contents, lines } from "./lines.js";
import type { DataFile, Row } from "./types.js";

/** What the name says: compression endings are looked through. */
export function containerOf(path: string, format: DatasetFormat): "text" | "jsonl" | "parquet" {
  const name = path.toLowerCase().replace(/\.(gz|zst)$/, "");
  if (format === "text" || format === "jsonl" || format === "parquet") return format;
  if (name.endsWith(".parquet")) return "parquet";
  if (/\.(jsonl|ndjson|json)$/.test(name)) return "jsonl";
  return format === "auto" ? "text" : "jsonl";
}

/** A `.json` file may hold one array instead of lines; it is read whole, up to this size. */
const largestArray = 1 << 30;

async function* arrayRows(file: DataFile): AsyncIterable<Row> {
  if (file.size > largestArray) throw new Error("one JSON array of over 1 GiB: write one object a line instead");
  const parts: Uint8Array[] = [];
  for await (const part of contents(file)) parts.push(part);
  const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(parts)));
  for (const [i, entry] of (value as readonly unknown[]).entries()) yield rowOf(`${file.path}[${i}]`, entry);
}

function rowOf(place: string, value: unknown): Row {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return { place, fault: "not a JSON object" };
  return { place, value: value as Record<string, unknown> };
}

/** Rows of JSON lines; a line that is not a JSON object is a fault with its place. */
export async function* jsonRows(file: DataFile): AsyncIterable<Row> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let first = true;
  for await (const { number, bytes } of lines(contents(file))) {
    const place = `${file.path}:${number}`;
    let value: unknown;
    try {
      const text = decoder.decode(bytes);
      if (text.trim() === "") continue;
      if (first && text.trimStart().startsWith("[") && /\.json(\.gz|\.zst)?$/i.test(file.path)) {
        yield* arrayRows(file);
        return;
      }
      first = false;
      value = JSON.parse(text);
    } catch (error) {
      yield { place, fault: error instanceof SyntaxError ? `not JSON (${error.message})` : "not valid UTF-8" };
      continue;
    }
    yield rowOf(place, value);
  }
}

/** Rows of a Parquet file, one row group after the other, so that memory holds one group. */
export async function* parquetRows(file: DataFile, columns?: readonly string[]): AsyncIterable<Row> {
  const { parquetMetadataAsync, parquetReadObjects, parquetSchema } = await import("hyparquet");
  const { compressors } = await import("hyparquet-compressors");
  const reads = new Set<Promise<unknown>>();
  const slice = async (start: number, end?: number): Promise<ArrayBuffer> => {
    const from = start < 0 ? file.size + start : start;
    const bytes = await file.range(from, Math.min(file.size, end ?? file.size));
    return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
  };
  const buffer = {
    byteLength: file.size,
    slice: (start: number, end?: number): Promise<ArrayBuffer> => {
      const read = slice(start, end);
      reads.add(read);
      void read.catch(() => undefined).then(() => reads.delete(read));
      return read;
    },
  };
  const metadata = await parquetMetadataAsync(buffer);
  const present = new Set(parquetSchema(metadata).children.map((c) => c.element.name));
  const wanted = columns?.filter((c) => present.has(c));
  let start = 0;
  for (const group of metadata.row_groups) {
    const end = start + Number(group.num_rows);
    const rows = await withoutStrays(reads, () =>
      parquetReadObjects({
        file: buffer,
        metadata,
        rowStart: start,
        rowEnd: end,
        compressors,
        ...(wanted === undefined ? {} : { columns: [...wanted] }),
      }),
    );
    for (const [i, value] of rows.entries()) yield { place: `${file.path}:row ${start + i + 1}`, value };
    start = end;
  }
}

/**
 * hyparquet starts all columns and awaits them in turn: of several damaged ones only the first is caught, and Node would
 * end the process for the others. (Found by fuzzing.)
 */
async function withoutStrays<T>(reads: ReadonlySet<Promise<unknown>>, work: () => Promise<T>): Promise<T> {
  const stray = (error: unknown): void => {
    if (!/hyparquet|hysnappy|fzstd/.test(error instanceof Error ? (error.stack ?? "") : "")) throw error;
  };
  process.on("unhandledRejection", stray);
  try {
    return await work();
  } finally {
    // The other columns fail when their bytes have come; Node tells of it after that turn.
    while (reads.size > 0) await Promise.allSettled([...reads]);
    await new Promise((turn) => setImmediate(turn));
    process.off("unhandledRejection", stray);
  }
}
