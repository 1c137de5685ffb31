/** `llmp emit` on plans: folders written whole, and never over files that are not its own. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { command } from "../../src/cli/commands/emit.js";
import { writeFolder } from "../../src/cli/emit/folder.js";
import type { Exit } from "../../src/cli/output.js";
import type { Plan } from "../../src/planner/plan.js";
import { cases } from "./fixtures/cases.js";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "llmp-emit-"));
  writeFileSync(join(root, "plan.json"), JSON.stringify((cases["trl-sft-lora"] as () => Plan)()));
});
afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

async function run(...args: string[]): Promise<{ code: number; message: string }> {
  try {
    await command()
      .exitOverride()
      .parseAsync(["node", "llmp", ...args]);
    return { code: 0, message: "" };
  } catch (error) {
    const { code, message, hints } = error as Exit;
    return { code, message: [message, ...(hints ?? [])].join("\n") };
  }
}

describe("llmp emit", () => {
  it("writes the folder, executable where it should be, and can write it again", async () => {
    const dir = join(root, "job");
    for (let i = 0; i < 2; i++)
      expect(await run("sagemaker", join(root, "plan.json"), "-d", dir)).toEqual({ code: 0, message: "" });
    expect(readdirSync(dir)).toEqual(
      expect.arrayContaining(["README.md", "create-training-job.json", "engine", "submit.sh"]),
    );
    expect(statSync(join(dir, "submit.sh")).mode & 0o111).not.toBe(0);
    expect(readdirSync(root).filter((f) => f.startsWith(".llmp-emit"))).toEqual([]);
  });

  it("keeps what it did not write, and what was edited, unless --force", async () => {
    const dir = join(root, "job");
    const plan = join(root, "plan.json");
    mkdirSync(dir);
    writeFileSync(join(dir, "mine.txt"), "mine");
    expect((await run("engine", plan, "-d", dir)).code).toBe(1);
    expect(readFileSync(join(dir, "mine.txt"), "utf8")).toBe("mine");
    expect((await run("engine", plan, "-d", dir, "--force")).code).toBe(0);
    expect(existsSync(join(dir, "mine.txt"))).toBe(false);
    writeFileSync(join(dir, "engine", "train.yaml"), "edited: true\n");
    expect((await run("engine", plan, "-d", dir)).code).toBe(1);
    expect(readFileSync(join(dir, "engine", "train.yaml"), "utf8")).toBe("edited: true\n");
  });

  it("writes nothing on --dry-run, nor where the target does not suit", async () => {
    const dir = join(root, "job");
    expect((await run("engine", join(root, "plan.json"), "-d", dir, "--dry-run")).code).toBe(0);
    expect((await run("batch", join(root, "plan.json"), "-d", dir)).code).toBe(1);
    expect(existsSync(dir)).toBe(false);
  });

  it("tells wrong usage from errors", async () => {
    const unknown = await run("sagemakr", join(root, "plan.json"));
    expect(unknown.code).toBe(2);
    expect(unknown.message).toContain("did you mean sagemaker?");
    writeFileSync(join(root, "other.json"), "{}");
    expect((await run("engine", join(root, "other.json"))).code).toBe(2);
    expect((await run("engine", join(root, "nowhere.json"))).code).toBe(2);
    expect((await run()).code).toBe(2);
  });

  it("leaves the old folder whole when writing fails", () => {
    const dir = join(root, "job");
    writeFolder(dir, [{ path: "a.txt", text: "old" }], false);
    expect(() =>
      writeFolder(
        dir,
        [
          { path: "a.txt", text: "new" },
          { path: "a.txt/b", text: "impossible" },
        ],
        false,
      ),
    ).toThrow();
    expect(readFileSync(join(dir, "a.txt"), "utf8")).toBe("old");
    expect(readdirSync(root).filter((f) => f.startsWith(".llmp-emit"))).toEqual([]);
  });
});
