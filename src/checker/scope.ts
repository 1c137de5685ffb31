/** All names of a pipeline: the root file's and those of what it imports. One namespace per kind of block. */
import { nameCodes } from "../diagnostics/index.js";
import type { BlockItem, LetItem, ParamItem } from "../parser/ast.js";
import { blockByKeyword } from "../schema/index.js";
import type { Span } from "../text/index.js";
import { nearestHint } from "./hints.js";
import type { LoadedFile } from "./load.js";
import { predefined } from "./predefined.js";

export interface Declared {
  readonly block: BlockItem;
  readonly name: string;
  readonly file: LoadedFile;
}

export interface Scope {
  readonly values: ReadonlyMap<string, ParamItem | LetItem>;
  /** Kind → name → block. */
  readonly blocks: ReadonlyMap<string, ReadonlyMap<string, Declared>>;
  readonly budget?: Declared;
}

type Report = (diagnostic: ReturnType<typeof nameCodes.report>) => void;

/** Names that may not be declared: words that already mean something where a name stands. */
const reserved: Readonly<Record<string, string>> = {
  auto: "the planner's choice",
  true: "a value",
  false: "a value",
  every: "a word of the language",
  from: "a word of the language",
};

export function declare(files: readonly LoadedFile[], keywords: readonly string[], report: Report): Scope {
  const values = new Map<string, ParamItem | LetItem>();
  const blocks = new Map<string, Map<string, Declared>>(keywords.map((k) => [k, new Map()]));
  /** Kinds whose names may stand in the same place share a group. */
  const seen = new Map<string, Span>();
  let budget: Declared | undefined;

  const claim = (group: string, name: string, span: Span): boolean => {
    const word =
      name in reserved ? (Object.hasOwn(reserved, name) ? reserved[name] : "a word of JavaScript") : undefined;
    if (word !== undefined) {
      report(nameCodes.report("LLMP1019", span, { name, what: word }, { hints: ["choose another name"] }));
      return false;
    }
    const key = `${group} ${name}`;
    const first = seen.get(key) ?? (group === "value" ? undefined : seen.get(`value ${name}`));
    if (first !== undefined) {
      report(
        nameCodes.report(
          "LLMP1005",
          span,
          { name },
          {
            text: "declared again here",
            labels: [{ span: first, text: "first declared here" }],
            hints: ["give one of them another name; to change a model, inherit: `model NAME: parent { … }`"],
          },
        ),
      );
      return false;
    }
    seen.set(key, span);
    return true;
  };

  // Values first: a block may not take the name of a param, wherever it stands.
  for (const file of files) {
    for (const item of file.ast.items) {
      if ((item.kind === "param" || item.kind === "let") && claim("value", item.name.text, item.name.span))
        values.set(item.name.text, item);
    }
  }
  for (const file of files) {
    for (const item of file.ast.items) {
      if (item.kind !== "block") continue;
      const kind = item.keyword.text;
      const spec = blockByKeyword(kind);
      if (spec === undefined) {
        report(
          nameCodes.report(
            "LLMP1001",
            item.keyword.span,
            { name: kind },
            nearestHint(kind, keywords, item.keyword.span),
          ),
        );
        continue;
      }
      if (!checkHead(item, spec.named, report)) continue;
      if (spec.single === true) {
        if (budget === undefined) budget = { block: item, name: kind, file };
        else
          report(
            nameCodes.report(
              "LLMP1018",
              item.keyword.span,
              { name: kind },
              {
                labels: [{ span: budget.block.keyword.span, text: "the first one" }],
              },
            ),
          );
        continue;
      }
      const name = item.name?.text ?? "";
      const what = predefined(kind, name);
      if (what !== undefined) {
        const span = item.name?.span ?? item.span;
        report(
          nameCodes.report(
            "LLMP1019",
            span,
            { name, what },
            {
              hints: [
                `choose another name, and inherit if you mean to change it: \`${kind} my_${name}: ${name} { … }\``,
              ],
            },
          ),
        );
        continue;
      }
      const group = kind === "mix" ? "dataset" : kind;
      if (!claim(group, name, item.name?.span ?? item.span)) continue;
      blocks.get(kind)?.set(name, { block: item, name, file });
    }
  }
  return { values, blocks, ...(budget === undefined ? {} : { budget }) };
}

function checkHead(item: BlockItem, named: boolean, report: Report): boolean {
  const kind = item.keyword.text;
  const spec = blockByKeyword(kind);
  if (named && item.name === undefined) {
    report(
      nameCodes.report(
        "LLMP1014",
        item.keyword.span,
        { what: `a ${kind} block needs a name` },
        {
          hints: [`for example \`${kind} my_${kind} { … }\``],
        },
      ),
    );
    return false;
  }
  if (!named && item.name !== undefined) {
    report(nameCodes.report("LLMP1014", item.name.span, { what: `a ${kind} block has no name` }));
  }
  if (item.parent !== undefined && spec?.inherits !== true) {
    report(
      nameCodes.report(
        "LLMP1013",
        item.parent.span,
        { kind, what: "inherit" },
        {
          hints: ["only `model` and `precision` blocks inherit"],
        },
      ),
    );
  }
  if (item.from !== undefined && spec?.startsFrom !== true) {
    report(
      nameCodes.report(
        "LLMP1013",
        item.from.span,
        { kind, what: "start from a stage" },
        {
          hints: ["only `train` blocks do: `train b from a { … }`"],
        },
      ),
    );
  }
  return true;
}
