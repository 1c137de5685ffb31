import type { Dataset } from "../../checker/pipeline.js";
import { dataFiles } from "./files.js";
import { contents, textPieces } from "./lines.js";
import { containerOf, jsonRows, parquetRows } from "./rows.js";

/** Every text in a row's value, however deep: `messages` are lists of objects. */
function* strings(value: unknown): Iterable<string> {
  if (typeof value === "string") yield value;
  else if (Array.isArray(value)) for (const entry of value) yield* strings(entry);
  else if (typeof value === "object" && value !== null && !(value instanceof Uint8Array))
    for (const [name, entry] of Object.entries(value)) if (name !== "role" && name !== "from") yield* strings(entry);
}

/** All text of a dataset, for training a tokenizer: named columns, or all where none is named. Bad rows are passed over. */
export async function* datasetTexts(dataset: Dataset, root: string): AsyncIterable<string> {
  const { field, prompt, completion, messages, chosen, rejected, answer } = dataset;
  const named = [field, prompt, completion, messages, chosen, rejected, answer].flatMap((c) =>
    c === undefined ? [] : [c.value],
  );
  for (const file of await dataFiles(dataset, root)) {
    const container = containerOf(file.path, dataset.format.value);
    if (container === "text") yield* textPieces(contents(file));
    else
      for await (const row of container === "parquet" ? parquetRows(file) : jsonRows(file)) {
        if ("fault" in row) continue;
        yield* strings(named.length === 0 ? row.value : named.map((name) => row.value[name]));
      }
  }
}
