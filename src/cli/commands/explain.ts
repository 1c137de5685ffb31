import { Command } from "commander";
import { allCodes, nearest } from "../../diagnostics/index.js";
import { blocks, statements } from "../../schema/index.js";
import { errorPage } from "../errors.js";
import { examples } from "../help.js";
import { answer, answerJson, usage } from "../output.js";
import { fieldText, words } from "../reference.js";

export function command(): Command {
  return examples(
    new Command("explain")
      .description("Tell more about a code of an error, or a word of the language")
      .argument("<word>", "LLMP3004, or a block, key or value: train, recompute, train.batch")
      .option("--json", "print as JSON")
      .action((word: string, flags: { readonly json?: boolean }) => {
        const found = explain(word);
        if (flags.json === true) answerJson({ word, ...found });
        else answer(found.text);
      }),
    ["llmp explain LLMP0301", "llmp explain recompute"],
  );
}

export function explain(word: string): { readonly kind: string; readonly text: string } {
  const code = /^(?:llmp)?(\d{4})$/i.exec(word)?.[1];
  if (code !== undefined) {
    const full = `LLMP${code}`;
    const spec = allCodes[full];
    if (spec === undefined) {
      const near = nearest(full, Object.keys(allCodes));
      throw usage(`there is no code ${full}`, ...(near === undefined ? [] : [`did you mean ${near}?`]));
    }
    const page = errorPage(full);
    return { kind: "code", text: page ?? `# ${full}: ${spec.title}\n\n${spec.severity}: ${spec.message}\n` };
  }
  const [head, key] = word.split(".");
  const block = blocks.find((b) => b.keyword === head);
  if (block !== undefined && key === undefined) {
    const keys = block.fields.map((f) => `  ${f.name.padEnd(22)} ${f.doc.split("\n")[0]}`).join("\n");
    return { kind: "block", text: `${block.keyword}: ${block.doc}\n\n${block.example}\n\nKeys:\n${keys}\n` };
  }
  const statement = statements.find((s) => s.keyword === word);
  if (statement !== undefined)
    return { kind: "statement", text: `${word}: ${statement.doc}\n\n  ${statement.example}\n` };
  const all = words();
  const found = all.filter((w) => w.path === word || w.path.endsWith(`.${word}`));
  if (found.length > 0)
    return {
      kind: "word",
      text: found.map((w) => (w.field === undefined ? `${w.path}: ${w.doc}\n` : fieldText(w.path, w.field))).join("\n"),
    };
  const near = nearest(word, [...blocks.map((b) => b.keyword), ...all.map((w) => w.path.split(".").at(-1) ?? "")]);
  throw usage(
    `\`${word}\` is neither a code nor a word of the language`,
    ...(near === undefined ? [] : [`did you mean \`${near}\`?`]),
  );
}
