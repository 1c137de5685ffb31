/** Where local data starts: the folder of the `.llmp` file, looked for from here upwards, since a job's folder lies in it as a rule. */
import { inputs } from "./entry.js";
import { sh } from "./quote.js";
import type { StageView } from "./stage.js";

/** Lines of a script that has `here`; none where no stage reads what is on this machine. They set `project`. */
export function findProject(views: readonly StageView[]): string[] {
  const first = views.flatMap(inputs).find((i) => i.kind === "local");
  if (first === undefined) return [];
  const path = sh(first.from);
  return [
    "# Paths of local data start at the folder of the .llmp file.",
    'project="${LLMP_PROJECT:-}"',
    'for place in "$PWD" "$here" "$here/.." "$here/../.." "$here/../../.."; do',
    `  if [ -z "$project" ] && [ -e "$place/"${path} ]; then project="$(cd "$place" && pwd)"; fi`,
    "done",
    'if [ -z "$project" ]; then',
    `  echo "llmp: not in this folder or above (set LLMP_PROJECT to the folder of the .llmp file):" ${path} >&2`,
    "  exit 1",
    "fi",
  ];
}
