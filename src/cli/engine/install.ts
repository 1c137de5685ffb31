/** `llmp doctor --fix trl`: an engine's Python environment in the cache folder, where `llmp run` looks for it. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { emitCodes } from "../../diagnostics/index.js";
import { loweringOf } from "../../emit/index.js";
import { RunFailure } from "../../runtime/types.js";
import { engineFolder, moduleOf } from "./python.js";

interface Recipe {
  /** Oldest Python that the engine runs on. */
  readonly python: readonly [major: number, minor: number];
  /** Arguments of `pip install`, one call after the other. */
  readonly steps: readonly (readonly string[])[];
}

const plain = (engine: string): readonly (readonly string[])[] => [loweringOf(engine)?.requirements ?? []];

const recipes: Readonly<Record<string, Recipe>> = {
  trl: { python: [3, 10], steps: plain("trl") },
  torchtitan: { python: [3, 10], steps: plain("torchtitan") },
  fast_llm: {
    python: [3, 12],
    steps: [
      [
        "torch==2.13.0",
        "numpy>=2.1.0",
        "safetensors>=0.6.2",
        "transformers>=4.57.3,<6",
        "datasets==4.7.0",
        "wandb",
        "hydra-core",
        "omegaconf",
        "tqdm",
        "triton",
        "requests",
        "PyYAML",
        "pybind11",
        "setuptools",
        "wheel",
        "packaging",
      ],
      // Without its list of dependencies: flash-attn in it builds with a CUDA compiler only, and is not needed.
      ["--no-deps", "--no-build-isolation", "git+https://github.com/ServiceNow/Fast-LLM@7d61a1ba"],
    ],
  },
};

/** Engines that `llmp doctor --fix` knows. */
export const installableEngines: readonly string[] = Object.keys(recipes);

/** The folder of the environment. Throws `RunFailure` with what pip said; leaves nothing half made. */
export async function installEngine(
  engine: string,
  say: (line: string) => void,
  env: NodeJS.ProcessEnv = process.env,
): Promise<string> {
  const recipe = recipes[engine];
  if (recipe === undefined) throw new Error(`no recipe for ${engine}`);
  const base = await newEnough(recipe.python, env);
  if (base === undefined) throw failed(engine, `Python ${recipe.python.join(".")} or newer with venv`);
  const folder = engineFolder(engine, env);
  const python = join(folder, "bin", "python");
  const run = async (command: string, args: readonly string[], heard?: (line: string) => void): Promise<void> => {
    const child = execa(command, args, { reject: false, all: true, buffer: false, env, extendEnv: false });
    const lines: string[] = [];
    for await (const line of child.iterable({ from: "all" })) {
      heard?.(line);
      if (line.trim() !== "" && lines.push(line) > 200) lines.shift();
    }
    const { exitCode } = await child;
    if (exitCode !== 0) {
      throw failed(engine, lines.findLast((line) => /error/i.test(line)) ?? lines.at(-1) ?? `${command} failed`);
    }
  };
  try {
    say(`${engine}: an environment in ${folder}`);
    await run(base, ["-m", "venv", "--clear", folder]);
    for (const step of recipe.steps) {
      say(`${engine}: pip install ${step.join(" ")}`);
      // Minutes: what is fetched is told as it comes.
      const flags = ["--progress-bar", "off", "--disable-pip-version-check"];
      await run(python, ["-m", "pip", "install", ...flags, ...step], (line) => {
        const told = /^\s*(Downloading \S+ \(.*\)|Installing collected packages|Building wheel for \S+)/.exec(line);
        if (told !== null) say(`  ${told[1]}`);
      });
    }
    await run(python, ["-c", `import ${moduleOf(engine)}`]);
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
  return folder;
}

const failed = (engine: string, reason: string): RunFailure =>
  new RunFailure(
    emitCodes.report(
      "LLMP5111",
      undefined,
      { engine, reason: reason.trim().slice(0, 300) },
      {
        hints: [
          "pip reads the package index from its own settings (PIP_INDEX_URL); LLMP_PYTHON names a Python that has it",
        ],
      },
    ),
  );

/** The first Python on the path that is not older. */
async function newEnough(wanted: readonly [number, number], env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const code = `import sys, venv; sys.exit(0 if sys.version_info >= (${wanted.join(",")}) else 1)`;
  for (const python of ["python3", "python3.13", "python3.12", "python3.11", "python3.10", "python"]) {
    const { exitCode } = await execa(python, ["-c", code], { reject: false, stdio: "ignore", env, extendEnv: false });
    if (exitCode === 0) return python;
  }
  return undefined;
}
