/** What a user types, through the built program: answers, exit codes (DESIGN section 7), and where each is written. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Ajv } from "ajv";
import { describe, expect, it } from "vitest";
import { commands } from "../../src/cli/table.js";
import { folder, llmp } from "./llmp.js";

const examples = readdirSync("examples")
  .filter((f) => f.endsWith(".llmp"))
  .map((f) => path.join("examples", f));
const shakespeare = "examples/shakespeare.llmp";
const ansi = "\u001b[";
const schemaOf = async (what: string) => {
  const { stdout, code } = await llmp(["schema", what]);
  expect(code).toBe(0);
  return new Ajv({ strict: false }).compile(JSON.parse(stdout) as object);
};

describe("help", () => {
  it("lists every command", async () => {
    const { code, stdout, stderr } = await llmp(["--help"]);
    expect(code).toBe(0);
    expect(stderr).toBe("");
    for (const { name } of commands) expect(stdout).toMatch(new RegExp(`^  ${name}\\b`, "m"));
  });

  it.each(commands.map((c) => c.name))("%s --help ends in two examples", async (name) => {
    const { code, stdout } = await llmp([name, "--help"]);
    expect(code).toBe(0);
    const [, shown = ""] = stdout.split("Examples:\n");
    expect(
      shown
        .trim()
        .split("\n")
        .every((line) => /llmp /.test(line)),
    ).toBe(true);
    expect(shown.trim().split("\n").length).toBeGreaterThanOrEqual(2);
  });

  it("an unknown command or option is wrong usage, with the nearest one", async () => {
    const command = await llmp(["chekc", shakespeare]);
    expect(command.code).toBe(2);
    expect(command.stderr).toContain("`check`");
    const option = await llmp(["plan", shakespeare, "--jsno"]);
    expect(option.code).toBe(2);
    expect(option.stderr).toContain("--json");
    expect(option.stdout).toBe("");
  });
});

describe("check", () => {
  it.each(examples)("%s has no mistake", async (file) => {
    expect(await llmp(["check", file, "--deny-warnings"])).toMatchObject({ code: 0, stdout: "" });
  });

  it("reports with code, place and hint, as JSON on stdout and for people on stderr", async () => {
    const text = readFileSync(shakespeare, "utf8").replace("hidden", "hiden");
    const call = { input: text, cwd: "examples" };
    const shown = await llmp(["check", "-"], call);
    expect(shown.code).toBe(1);
    expect(shown.stdout).toBe("");
    expect(shown.stderr).toMatch(/LLMP\d{4}/);
    expect(shown.stderr).toContain("hidden");
    expect(shown.stderr).not.toContain(ansi);
    const json = await llmp(["check", "-", "--json"], call);
    expect(json.code).toBe(1);
    expect(json.stderr).toBe("");
    const line = text.split("\n").findIndex((l) => l.includes("hiden")) + 1;
    const all = JSON.parse(json.stdout) as { code: string; start: { line: number }; fixes: unknown[] }[];
    const unknown = all.find((d) => d.code === "LLMP1002");
    expect(unknown).toMatchObject({ severity: "error", start: { line, column: 3 } });
    expect(unknown?.fixes).toHaveLength(1);
  });

  it("colours only where asked to or on a terminal", async () => {
    const call = { input: "model {" };
    expect((await llmp(["--color", "always", "check", "-"], call)).stderr).toContain(ansi);
    const forced = await llmp(["check", "-"], { ...call, env: { FORCE_COLOR: "1", NO_COLOR: "1" } });
    expect(forced.stderr).not.toContain(ansi);
  });

  it("a file that is not there is wrong usage", async () => {
    expect(await llmp(["check", "nowhere.llmp"])).toMatchObject({ code: 2, stdout: "" });
  });
});

describe("fmt", () => {
  it("leaves the examples and std as they are", async () => {
    const std = readdirSync("std").map((f) => path.join("std", f));
    expect(await llmp(["fmt", "--check", ...examples, ...std])).toMatchObject({ code: 0 });
  });

  it("says so of a file that is not laid out, mends it, and then has nothing to do", async () => {
    const file = path.join(folder(), "a.llmp");
    writeFileSync(file, "# kept\nmodel m{hidden=64,layers=2\n\n\n\nheads=2 # too\n}");
    expect((await llmp(["fmt", "--check", file])).code).toBe(1);
    expect((await llmp(["fmt", file])).code).toBe(0);
    expect(readFileSync(file, "utf8")).toContain("# too");
    expect((await llmp(["fmt", "--check", file])).code).toBe(0);
  });
});

describe("plan", () => {
  it.each(examples)("%s: one object, as the schema says", async (file) => {
    const { code, stdout } = await llmp(["plan", file, "--json"]);
    expect(code).toBe(0);
    const plan = JSON.parse(stdout) as { outcome: string; stages: { name: string }[] };
    expect(plan.outcome).toBe("ok");
    expect(plan.stages.length).toBeGreaterThan(0);
    const valid = await schemaOf("plan");
    expect(valid(plan) ? [] : valid.errors).toEqual([]);
  });

  it("is one screen, and its advice names commands that exist", async () => {
    const { code, stdout } = await llmp(["plan", shakespeare]);
    expect(code).toBe(0);
    expect(stdout.split("\n").length).toBeLessThanOrEqual(50);
    expect(stdout).not.toContain(ansi);
    const names = new Set(commands.map((c) => c.name));
    for (const [, name = ""] of stdout.matchAll(/\bllmp ([a-z]+)/g)) expect(names).toContain(name);
  });

  it("what cannot fit is exit code 4; the plan says so, and neither run nor emit takes it", async () => {
    const out = path.join(folder(), "plan.json");
    const { code, stderr } = await llmp(["plan", "test/cli/too-large.llmp", "-o", out]);
    expect(code).toBe(4);
    expect(stderr).toContain("LLMP4101");
    expect(JSON.parse(readFileSync(out, "utf8"))).toMatchObject({ outcome: "infeasible" });
    expect((await llmp(["run", out])).code).toBe(4);
    const job = path.join(path.dirname(out), "job");
    expect((await llmp(["emit", "sagemaker", out, "-d", job])).code).toBe(4);
    expect(existsSync(job)).toBe(false);
  });

  it("--set that names nothing is an error", async () => {
    const { code, stderr } = await llmp(["plan", shakespeare, "--set", "nothing_like_it=3"]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/LLMP\d{4}/);
  });

  it("-o writes what run and emit take", async () => {
    const at = folder();
    const out = path.join(at, "plan.json");
    expect((await llmp(["plan", "examples/llama3-8b-domain.llmp", "-o", out])).code).toBe(0);
    const { code, stdout } = await llmp(["emit", "sagemaker", out, "-d", path.join(at, "job"), "--json"]);
    expect(code).toBe(0);
    expect(() => JSON.parse(stdout) as unknown).not.toThrow();
    expect(existsSync(path.join(at, "job"))).toBe(true);
  });
});

describe("what can I write here", () => {
  it("ls knows models, instances with price and memory and date", async () => {
    const { stdout } = await llmp(["ls"]);
    expect(stdout).toMatch(/^ +p5\.48xlarge .*80 GiB each .*\$[\d.]+\/h .*20\d\d-\d\d-\d\d/m);
    expect(stdout).toMatch(/llama3_1_405b +406 B +import "std\/llama3"/);
  });

  it.each([
    ["llama3_8b", "8,030,261,248"],
    ["p5.48xlarge", "80 GiB"],
    ["grpo", "group"],
    ["fp8", "e4m3"],
  ])("show %s", async (name, part) => {
    const { code, stdout } = await llmp(["show", name]);
    expect(code).toBe(0);
    expect(stdout).toContain(part);
  });

  it("explain tells of a code and of a key; an unknown one has a nearest", async () => {
    expect((await llmp(["explain", "LLMP1001"])).stdout).toContain("LLMP1001");
    expect((await llmp(["explain", "train.batch"])).code).toBe(0);
    expect((await llmp(["explain", "LLMP1O01"])).code).toBe(2);
  });

  it("schema ast describes the tree of every example", async () => {
    const { parse } = await import("../../src/parser/index.js");
    const valid = await schemaOf("ast");
    for (const file of examples) {
      const tree: unknown = JSON.parse(JSON.stringify(parse({ path: file, text: readFileSync(file, "utf8") }).value));
      expect(valid(tree) ? [] : valid.errors).toEqual([]);
    }
  });

  it.each(["bash", "zsh", "fish"])("completion %s names the commands", async (shell) => {
    const { code, stdout } = await llmp(["completion", shell]);
    expect(code).toBe(0);
    expect(stdout).toContain("check");
  });

  it.skipIf(process.platform === "win32")("bash completes values: targets, backends, machines, codes", async () => {
    const { stdout } = await llmp(["completion", "bash"]);
    const complete = (...typed: string[]): string[] => {
      const ask = `${stdout}\nCOMP_WORDS=("$@")\nCOMP_CWORD=$(( $# - 1 ))\n_llmp\nprintf '%s\\n' "\${COMPREPLY[@]}"`;
      return execFileSync("bash", ["-c", ask, "bash", "llmp", ...typed], { encoding: "utf8" })
        .trim()
        .split("\n");
    };
    expect(complete("pl")).toEqual(["plan"]);
    expect(complete("emit", "sage")).toEqual(["sagemaker"]);
    expect(complete("run", "--backend", "wa")).toEqual(["wasm"]);
    expect(complete("import", "--instance", "ml.p5.48")).toContain("ml.p5.48xlarge");
    expect(complete("explain", "LLMP100")).toContain("LLMP1002");
  });
});

describe("init", () => {
  const line = (text: string) => `${text}\n`.repeat(40);
  const data: Readonly<Record<string, string>> = {
    "corpus.txt": line("So shaken as we are, so wan with care, find we a time for frighted peace to pant."),
    "pairs.jsonl": line('{"prompt": "2 + 2 =", "completion": " 4"}'),
    "choices.jsonl": line('{"prompt": "2 + 2 =", "chosen": " 4", "rejected": " 5"}'),
    "questions.jsonl": line('{"prompt": "2 + 2 =", "answer": "4"}'),
  };

  it.each(["pretrain", "sft", "lora", "dpo", "grpo", "distill"])("%s: checks, is laid out, plans", async (template) => {
    const cwd = folder();
    mkdirSync(path.join(cwd, "data"));
    for (const [name, text] of Object.entries(data)) writeFileSync(path.join(cwd, "data", name), text);
    expect((await llmp(["init", "--template", template, "--yes"], { cwd })).code).toBe(0);
    expect((await llmp(["check"], { cwd })).code).toBe(0);
    expect((await llmp(["fmt", "--check", "main.llmp"], { cwd })).code).toBe(0);
    expect((await llmp(["plan", "--json"], { cwd })).code).toBe(0);
  });

  it("does not write over a file", async () => {
    const cwd = folder();
    writeFileSync(path.join(cwd, "main.llmp"), "# mine\n");
    expect((await llmp(["init", "--yes"], { cwd })).code).toBe(2);
    expect(readFileSync(path.join(cwd, "main.llmp"), "utf8")).toBe("# mine\n");
  });
});
