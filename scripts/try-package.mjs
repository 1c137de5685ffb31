/** What a user gets: packs, installs the archive into an empty folder, and uses it there, with the package read-only. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { misplaced } from "./package-rules.mjs";

const folder = mkdtempSync(path.join(tmpdir(), "llmp-package-"));
const run = (program, args, cwd = folder) =>
  execFileSync(program, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });

try {
  const [packed] = JSON.parse(
    run("npm", ["pack", "--json", "--pack-destination", folder], process.cwd()).replace(/^[^[]*/, ""),
  );
  const problems = misplaced(packed.files.map((f) => f.path));
  if (problems.length > 0) throw new Error(problems.slice(0, 5).join("; "));
  writeFileSync(path.join(folder, "package.json"), '{ "private": true, "type": "module" }\n');
  run("npm", ["install", "--no-audit", "--no-fund", "--silent", path.join(folder, packed.filename)]);
  run("chmod", ["-R", "a-w", "node_modules/llmp"]);
  writeFileSync(path.join(folder, "a.llmp"), 'import "std/llama3"\n');
  run("npx", ["--no-install", "llmp", "check", "a.llmp"]);
  run("npx", ["--no-install", "llmp", "plan", "node_modules/llmp/examples/llama3-8b-domain.llmp", "--json"]);
  writeFileSync(
    path.join(folder, "use.mjs"),
    'import { parse } from "llmp"; import { plan } from "llmp/core"; parse({ path: "a", text: "" }); plan.call;\n',
  );
  run(process.execPath, ["use.mjs"]);
  console.log(
    `${packed.filename}: ${packed.files.length} files, ${(packed.size / 1e6).toFixed(1)} MB packed; installs, checks, plans, is imported`,
  );
} finally {
  run("chmod", ["-R", "u+w", folder], tmpdir());
  rmSync(folder, { recursive: true, force: true });
}
