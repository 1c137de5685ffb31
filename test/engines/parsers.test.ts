/**
 * Emitted configurations through the engines' own parsers, without a GPU (own_parser.py). verl is on PyPI; Megatron-LM and
 * NxD Training are repositories: MEGATRON_LM (core_v0.16.1) and NXDT name checkouts. FAST_LLM names a Python that has
 * Fast-LLM (`llmp doctor --fix fast_llm` makes one).
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { loadAll } from "js-yaml";
import { parse as parseToml } from "smol-toml";
import { afterAll, describe, expect, it } from "vitest";
import { emit, emitters } from "../../src/emit/index.js";
import type { Plan } from "../../src/planner/plan.js";
import { cases } from "../emit/fixtures/cases.js";
import { exampleNames, examplePlan, moved } from "../emit/fixtures/examples.js";
import { beside, enginePackages, missing, type Venv, venv } from "./venv.js";

const engines = await venv("engines", enginePackages);
if (missing(engines)) console.warn(`engines' own parsers are not asked: ${engines.reason}`);
const root = mkdtempSync(join(tmpdir(), "llmp-parsers-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

async function write(name: string): Promise<string> {
  for (const file of (await emit("engine", (cases[name] as () => Plan)())).value ?? []) {
    const path = join(root, name, file.path);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, file.text);
  }
  return join(root, name, "engine");
}

async function ask(args: readonly string[], env: Record<string, string> = {}, python?: string): Promise<unknown> {
  const { stdout } = await execa(
    python ?? (engines as Venv).python,
    [join(import.meta.dirname, "own_parser.py"), ...args],
    {
      cwd: root,
      env: { PYTHONDONTWRITEBYTECODE: "1", ...env },
    },
  );
  return JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
}

const providers = ["sagemaker", "hyperpod", "batch", "kubernetes", "slurm"] as const;
const { MEGATRON_LM = "", NXDT = "", FAST_LLM = "" } = process.env;

describe.skipIf(missing(engines))(
  `own parsers${missing(engines) ? ` (${engines.reason})` : ""}`,
  { timeout: 120_000 },
  () => {
    it("Python reads every YAML and TOML file as JavaScript does, and compiles every program", async () => {
      const written = new Map<string, string>();
      const plans: (readonly [string, Plan])[] = [
        ...Object.entries(cases).map(([name, make]) => [name, make()] as const),
        ...exampleNames.flatMap((name) =>
          [examplePlan(name), ...providers.map((p) => moved(examplePlan(name), p))].map(
            (p, i) => [`${name}-${i}`, p] as const,
          ),
        ),
      ];
      const seen = new Set<string>();
      for (const [name, plan] of plans)
        for (const { name: target } of emitters)
          for (const { path, text } of (await emit(target, plan)).value ?? []) {
            if (!/\.(ya?ml|toml|py)$/.test(path) || seen.has(text)) continue;
            seen.add(text);
            const key = join(name, target, path);
            written.set(key, text);
            mkdirSync(join(root, "all", dirname(key)), { recursive: true });
            writeFileSync(join(root, "all", key), text);
          }
      const read = (await ask(["files", join(root, "all")])) as Record<string, unknown>;
      expect(Object.keys(read).length).toBe(written.size);
      expect(written.size).toBeGreaterThan(60);
      for (const [key, text] of written) {
        if (/\.ya?ml$/.test(key)) expect(read[key], key).toEqual(JSON.parse(JSON.stringify(loadAll(text))));
        if (key.endsWith(".toml")) expect(read[key], key).toEqual(JSON.parse(JSON.stringify(parseToml(text))));
      }
    });

    it("verl 0.9.1: Hydra composes the overrides, and has a place for each", async () => {
      const tree = join(await beside(engines as Venv, "verl", "0.9.1"), "verl", "trainer", "config");
      const hydra = await beside(engines as Venv, "hydra-core", "1.3.2", true);
      expect(await ask(["verl", tree, join(await write("verl-grpo"), "conf")], { PYTHONPATH: hydra })).toEqual({
        unknown: [],
        estimator: "grpo",
        group: 8,
        strategy: "fsdp2",
        lr: 0.001,
        batch: 8,
      });
    });

    it.skipIf(MEGATRON_LM === "")(
      "Megatron-LM core_v0.16.1: arguments.py parses and validates them, TransformerConfig takes them",
      async () => {
        const of = async (name: string, world: number): Promise<unknown[]> => {
          const folder = await write(name);
          return Promise.all(
            readdirSync(join(folder, "args")).map((file) =>
              ask(["megatron", MEGATRON_LM, join(folder, "args", file), join(folder, "launch.py"), String(world)]),
            ),
          );
        };
        const dense = { tensor: 4, pipeline: 2, layout: "Et*15|t*17L", fp8: "hybrid", recompute: ["full", "block", 3] };
        expect(await of("megatron-fp8", 32)).toEqual([0, 1].map(() => expect.objectContaining({ data: 4, ...dense })));
        expect(await of("moe-megatron", 16)).toEqual([expect.objectContaining({ data: 16, expert: 8, experts: 8 })]);
      },
    );

    it.skipIf(FAST_LLM === "")("Fast-LLM 0.4.0: its trainer's configuration takes it", async () => {
      const folder = await write("fast-llm-pp");
      const env = { WORLD_SIZE: "8", LOCAL_WORLD_SIZE: "8" };
      expect(await ask(["fast_llm", join(folder, "phase-0.yaml")], env, FAST_LLM)).toEqual({
        iterations: 100,
        tensor: 2,
        pipeline: 2,
        zero: 2,
        layers: 4,
        hidden: 64,
      });
    });

    it.skipIf(NXDT === "")("NxD Training: every key is in its examples", async () => {
      const got = await ask(["nxd", join(NXDT, "examples"), join(await write("trainium-batch"), "conf")]);
      // NeMo hands all of `optim` to the optimizer: AdamW's own eps needs no example.
      expect(got).toEqual({ known: expect.any(Number), unknown: ["model.optim.eps"] });
    });
  },
);
