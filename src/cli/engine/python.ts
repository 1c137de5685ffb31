/** Which Python has an engine: LLMP_PYTHON, then the environment in `engineFolder`, then the one on PATH. */
import { existsSync, readdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";

const modules: Readonly<Record<string, string>> = {
  trl: "trl",
  torchtitan: "torchtitan",
  fast_llm: "fast_llm",
  megatron: "megatron.core",
};

export const moduleOf = (engine: string): string => modules[engine] ?? engine;

/** `$XDG_CACHE_HOME/llmp/engines/<engine>`. */
export const engineFolder = (engine: string, env: NodeJS.ProcessEnv = process.env): string =>
  join(env.LLMP_CACHE ?? join(env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "llmp"), "engines", engine);

export function candidates(engine: string, env: NodeJS.ProcessEnv = process.env): readonly string[] {
  const own = join(engineFolder(engine, env), "bin", "python");
  return [
    ...(env.LLMP_PYTHON === undefined ? [] : [env.LLMP_PYTHON]),
    ...(existsSync(own) ? [own] : []),
    "python3",
    "python",
  ];
}

/** Versions of the engine in its own environment; undefined: none was made. */
export function installedEngine(engine: string, env: NodeJS.ProcessEnv = process.env): string | undefined {
  const folder = engineFolder(engine, env);
  if (!existsSync(join(folder, "bin", "python"))) return undefined;
  const lib = join(folder, "lib");
  const wanted = moduleOf(engine).split(".")[0] ?? engine;
  for (const python of existsSync(lib) ? readdirSync(lib) : []) {
    const packages = join(lib, python, "site-packages");
    const about = (existsSync(packages) ? readdirSync(packages) : []).find(
      (name) => name.endsWith(".dist-info") && name.toLowerCase().replace(/-\d.*$/, "") === wanted,
    );
    const version = /-(\d[^-]*)\.dist-info$/.exec(about ?? "")?.[1];
    if (version !== undefined) return version;
  }
  return "installed";
}

/** The first Python that finds the engine's package (found, not imported: importing torch takes seconds). */
export async function findPython(engine: string, env: NodeJS.ProcessEnv = process.env): Promise<string | undefined> {
  const code = "import importlib.util,sys; sys.exit(0 if importlib.util.find_spec(sys.argv[1]) else 1)";
  for (const python of candidates(engine, env)) {
    const { exitCode } = await execa(python, ["-c", code, moduleOf(engine)], {
      reject: false,
      stdio: "ignore",
      env: { ...env },
      extendEnv: false,
    });
    if (exitCode === 0) return python;
  }
  return undefined;
}
