/** A file of a dataset, local or in S3: readable as a stream or by range. */
export interface DataFile {
  /** As shown in messages: relative to the root where possible. */
  readonly path: string;
  readonly size: number;
  /** Changes when the content does: modification time, or an ETag. */
  readonly stamp: string;
  stream(): AsyncIterable<Uint8Array>;
  /** Bytes `[start, end)`. */
  range(start: number, end: number): Promise<Uint8Array>;
}

/** A row of a file, or why it is not one; `place` is `path:line` or `path:row N`. */
export type Row =
  | { readonly place: string; readonly value: Readonly<Record<string, unknown>> }
  | { readonly place: string; readonly fault: string };

/** What a row is for: how many token sequences it gives and what is learned of them. */
export type SampleKind =
  /** One document; every token is learned. */
  | "text"
  /** One document with a loss mask. */
  | "completion"
  /** Two documents with masks: chosen, rejected. */
  | "preference"
  /** One prompt and the answer that rewards compare with. */
  | "prompts";

export interface Sample {
  readonly sequences: readonly { readonly ids: ArrayLike<number>; readonly mask?: ArrayLike<number> }[];
  readonly answer?: string;
}

export interface Fault {
  readonly place: string;
  readonly why: string;
}
