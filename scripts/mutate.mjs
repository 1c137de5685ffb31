/**
 * Mutation testing of the planner's core: `npm run mutate [-- FILE…]`. StrykerJS is not a dependency: it is installed at a pinned
 * version beside a copy of the last commit in a temporary folder, and run there against the tests that need no second.
 * Takes half an hour for all files; docs/TRUST.md has the scores. Not in CI.
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

const version = "9.6.1";
const files = [
  "src/planner/search/heap.ts",
  "src/planner/search/front.ts",
  "src/planner/search/budget.ts",
  "src/planner/layout/chunks.ts",
  "src/planner/recompute/place.ts",
  "src/planner/cost/goodput.ts",
];
const tests = ["core", "cost", "layout", "placement"].map((t) => `test/planner-search/${t}.test.ts`);

const folder = mkdtempSync(path.join(tmpdir(), "llmp-mutate-"));
const run = (program, ...args) => execFileSync(program, args, { cwd: folder, stdio: ["ignore", "inherit", "inherit"] });
try {
  execFileSync("git", ["archive", "--output", path.join(folder, "tree.tar"), "HEAD"]);
  run("tar", "xf", "tree.tar");
  run("npm", "ci", "--ignore-scripts", "--silent");
  run(
    "npm",
    "install",
    "--no-save",
    "--ignore-scripts",
    "--silent",
    `@stryker-mutator/core@${version}`,
    `@stryker-mutator/vitest-runner@${version}`,
  );
  // The MILP solver takes seconds for each mutant; brute force finds the same.
  const placement = path.join(folder, "test/planner-search/placement.test.ts");
  writeFileSync(placement, readFileSync(placement, "utf8").replace('it("equals a MILP', 'it.skip("equals a MILP'));
  writeFileSync(
    path.join(folder, "vitest.mutate.config.ts"),
    `export default { test: { include: ${JSON.stringify(tests)}, pool: "threads", maxWorkers: 1 } };\n`,
  );
  writeFileSync(
    path.join(folder, "stryker.json"),
    JSON.stringify({
      testRunner: "vitest",
      vitest: { configFile: "vitest.mutate.config.ts", related: false },
      mutate: process.argv.length > 2 ? process.argv.slice(2) : files,
      concurrency: 1,
      coverageAnalysis: "perTest",
      ignoreStatic: true,
      reporters: ["clear-text", "json", "progress-append-only"],
      jsonReporter: { fileName: "mutation.json" },
      timeoutMS: 4000,
      symlinkNodeModules: true,
      allowConsoleColors: false,
    }),
  );
  run("npx", "stryker", "run", "stryker.json");
  mkdirSync("reports", { recursive: true });
  copyFileSync(path.join(folder, "mutation.json"), "reports/mutation.json");
} finally {
  rmSync(folder, { recursive: true, force: true });
}
