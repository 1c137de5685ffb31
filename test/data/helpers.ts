import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Dataset, Known, Mix, Pipeline, Stage } from "../../src/checker/pipeline.js";
import { openSource } from "../../src/runtime/data/index.js";
import { byteTokenizer, type TextTokenizer } from "../../src/runtime/tokenizer/index.js";

const known = <T>(value: T): Known<T> => ({ value, from: "file" });

export function folder(files: Readonly<Record<string, string | Uint8Array>>): string {
  const root = mkdtempSync(join(tmpdir(), "llmp-data-"));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), content);
  }
  return root;
}

export const dataset = (name: string, source: string | readonly string[], more: Partial<Dataset> = {}): Dataset => ({
  name,
  source: known(typeof source === "string" ? [source] : source),
  format: known("auto"),
  holdout: known(0),
  ...more,
});

export const column = known;

export interface TestStage {
  readonly root: string;
  readonly datasets: readonly Dataset[];
  readonly phases?: Mix["phases"];
  readonly unit?: "tokens" | "documents";
  readonly objective?: string;
  readonly options?: Stage["objective"]["options"];
  readonly sequences?: number;
  readonly length?: number;
  readonly steps?: number;
  readonly seed?: number;
  readonly packing?: boolean;
  readonly tokenizer?: TextTokenizer;
  readonly badRows?: "skip" | "fatal";
}

export function openTest(t: TestStage) {
  const even = Object.fromEntries(t.datasets.map((d) => [d.name, 1 / t.datasets.length]));
  const mix: Mix = { name: "mix", unit: known(t.unit ?? "tokens"), phases: t.phases ?? [{ from: 0, weights: even }] };
  const pipeline = {
    datasets: Object.fromEntries(t.datasets.map((d) => [d.name, d])),
    mixes: { mix },
  } as unknown as Pipeline;
  const stage = {
    name: "stage",
    objective: { kind: t.objective ?? "pretrain", options: t.options ?? {} },
    data: known("mix"),
    packing: known(t.packing ?? true),
  } as unknown as Stage;
  const tokenizer = t.tokenizer ?? byteTokenizer();
  return openSource({
    pipeline,
    stage,
    tokenizer,
    vocab: tokenizer.vocab,
    badRows: t.badRows ?? "skip",
    request: {
      root: t.root,
      stage: "stage",
      sequences: t.sequences ?? 4,
      length: t.length ?? 16,
      steps: t.steps ?? 50,
      seed: t.seed ?? 1,
    },
  });
}
