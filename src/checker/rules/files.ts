/** Datasets and tokenizers on this machine whose files do not exist. */
import { modelCodes, nameCodes } from "../../diagnostics/index.js";
import type { Context } from "../context.js";
import { folderOf, inProject, join } from "../paths.js";
import type { Rule } from "./rule.js";

const remote = (path: string): boolean => /^[a-z][a-z0-9+.-]*:\/\//.test(path);

export const filesRule: Rule = (draft, context) => {
  const local = Object.values(draft.clusters).every((c) => c.provider.value === "local");
  for (const { source } of Object.values(draft.datasets)) {
    for (const path of source.value) find(path, source.span, local, context);
  }
  for (const { file } of Object.values(draft.tokenizers)) {
    if (file !== undefined) find(file.value, file.span, local, context);
  }
};

/** An error where this machine trains; a warning where another will have the files. */
function find(path: string, span: Parameters<typeof modelCodes.report>[1], local: boolean, context: Context): void {
  const { glob } = context.host;
  if (remote(path)) return;
  const full = join(folderOf(context.rootFile), path);
  if (!path.startsWith("/") && !inProject(full, context.rootFile)) {
    context.report(
      nameCodes.report(
        "LLMP1009",
        span,
        { path },
        {
          hints: [
            "data stays within the project, so that it can be submitted as a whole; or give an absolute path or `s3://`",
          ],
        },
      ),
    );
    return;
  }
  if (glob === undefined || glob(full).length > 0) return;
  context.report(
    modelCodes.report(
      "LLMP3023",
      span,
      { source: path },
      {
        severity: local ? "error" : "warning",
        hints: [`looked for ${full}`, "paths are relative to the folder of the file"],
      },
    ),
  );
}
