/** What importers make: the parts of a `.llmp` file, as far as the imported one says them. */
import type { Diagnostic } from "../diagnostics/index.js";
import type { ModelFields } from "../model/index.js";

export interface ImportSource {
  readonly path: string;
  readonly text: string;
}

/** What importers may ask, and what the user says on the command line. */
export interface ImportHost {
  /** Bundled models and the import that has each: `llama3_8b`, `std/llama3`. */
  readonly models: readonly { readonly name: string; readonly family: string }[];
  /** The `config.json` of a local folder. */
  readonly config: (folder: string) => unknown;
  /** GPUs in all; many formats leave them to the launcher. */
  readonly gpus?: number;
  readonly instance?: string;
  /** A bundled model or a folder with a `config.json`, instead of what the file names. */
  readonly model?: string;
  /** Which function of a Python configuration. */
  readonly entry?: string;
}

/** Keys and the source text of their values, in order. */
export type Entries = readonly (readonly [key: string, value: string])[];

export interface DatasetDraft {
  readonly name: string;
  readonly entries: Entries;
  /** Share of the mix, in any unit. */
  readonly weight?: number;
}

export interface Draft {
  readonly stage: string;
  readonly objective: string;
  /** A Hugging Face id, a folder, a bundled model's name; or the shape itself. */
  readonly model: { readonly id?: string; readonly fields?: ModelFields; readonly weights?: boolean };
  readonly teacher?: string;
  readonly datasets: readonly DatasetDraft[];
  readonly adapter?: Entries;
  readonly rewards?: boolean;
  readonly length: {
    readonly steps?: number;
    readonly epochs?: number;
    readonly tokens?: number;
    readonly samples?: number;
  };
  /** Sequences of an optimizer step in all, or on one data-parallel rank. */
  readonly sequences?: number;
  readonly perRank?: number;
  readonly micro?: number;
  readonly context?: number;
  readonly precision?: string;
  /** Degrees and words of `parallel`. */
  readonly parallel?: Readonly<Record<string, number | string | boolean>>;
  readonly recompute?: string;
  readonly optimizer?: string;
  readonly engine?: string;
  readonly saveSteps?: number;
  readonly evaluateSteps?: number;
  readonly holdout?: number;
  readonly seed?: number;
  readonly packing?: boolean;
  readonly provider?: "hyperpod" | "slurm";
  /** Of HyperPod. */
  readonly orchestrator?: "eks" | "slurm";
  readonly instance?: string;
  readonly gpus?: number;
}

export interface Importer {
  readonly kind: string;
  readonly title: string;
  /** By content; the name of the file is a hint only. */
  readonly detects: (source: ImportSource) => boolean;
  /** Reports on `diagnostics`; undefined where the file cannot be read at all. */
  readonly read: (source: ImportSource, host: ImportHost, diagnostics: Diagnostic[]) => Draft | undefined;
}
