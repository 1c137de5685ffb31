import type { Span } from "../text/index.js";
import type { Diagnostic, Fix, Label, Severity } from "./diagnostic.js";

/** A row of the table of codes. `message` has `{name}` holes that `report` fills; the types make a missing one a compile error. */
export interface CodeSpec {
  readonly severity: Severity;
  /** A headline for docs and `llmp explain`. */
  readonly title: string;
  readonly message: string;
  readonly since: string;
}

type Holes<M extends string> = M extends `${string}{${infer Name}}${infer Rest}` ? Name | Holes<Rest> : never;
type Values<M extends string> = [Holes<M>] extends [never] ? Record<never, never> : Record<Holes<M>, string | number>;

export interface Details {
  readonly text?: string;
  readonly labels?: readonly Label[];
  readonly hints?: readonly string[];
  readonly fixes?: readonly Fix[];
  readonly severity?: Severity;
}

/** A stage's table of codes with its reporter: `report("LLMP1204", span, { name }, { hints })`. */
export interface Codes<T> {
  readonly codes: T;
  readonly report: <C extends keyof T & string>(
    code: C,
    span: Span | undefined,
    values: Values<T[C] extends { readonly message: infer M extends string } ? M : never>,
    details?: Details,
  ) => Diagnostic;
}

export function define<const T extends Readonly<Record<string, CodeSpec>>>(codes: T): Codes<T> {
  function report<C extends keyof T & string>(
    code: C,
    span: Span | undefined,
    values: Values<T[C] extends { readonly message: infer M extends string } ? M : never>,
    details: Details = {},
  ): Diagnostic {
    const spec = codes[code] as CodeSpec;
    const lookup = values as Record<string, string | number>;
    const message = spec.message.replace(/\{(\w+)\}/g, (_, name: string) => String(lookup[name]));
    return {
      code,
      severity: details.severity ?? spec.severity,
      message,
      ...(span === undefined ? {} : { primary: { span, text: details.text ?? "" } }),
      labels: details.labels ?? [],
      hints: details.hints ?? [],
      fixes: details.fixes ?? [],
    };
  }
  return { codes, report };
}
