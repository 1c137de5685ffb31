/** Python environments for tests against the real engines: made once per machine, in the user's cache folder. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";

const root = process.env.LLMP_TEST_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "llmp-test");

export interface Venv {
  readonly python: string;
  readonly bin: string;
}

/** Why there is none, in words for the skipped test's name. */
export interface NoVenv {
  readonly reason: string;
}

/** Seconds that an installation may take; 0: as long as it needs. */
const limit = Number(process.env.LLMP_INSTALL_SECONDS ?? 0);

/** Name of the variable in which the set-up says why an environment is missing. */
export const missingKey = (name: string): string => `LLMP_MISSING_${name.toUpperCase()}`;

/** The environment with exactly these packages. Only an unreachable registry or a missing Python is an excuse; anything else throws. */
export async function venv(name: string, packages: readonly string[], python = "python3"): Promise<Venv | NoVenv> {
  const id = createHash("sha256")
    .update(JSON.stringify([python, packages]))
    .digest("hex")
    .slice(0, 12);
  // What the set-up could not make is not tried again by every file.
  const told = process.env[missingKey(name)];
  if (told !== undefined) return { reason: told };
  const folder = join(root, `${name}-${id}`);
  const bin = join(folder, "bin");
  const ready: Venv = { python: join(bin, "python"), bin };
  if (existsSync(join(folder, "ready"))) return ready;
  mkdirSync(root, { recursive: true });
  const made = await execa(python, ["-m", "venv", "--clear", folder], { reject: false, all: true });
  if (made.exitCode !== 0) return { reason: `${python} cannot make an environment: ${made.all.split("\n").at(-1)}` };
  const installed = await execa(
    ready.python,
    ["-m", "pip", "install", "-q", "--disable-pip-version-check", ...packages],
    { reject: false, all: true, timeout: 1000 * limit },
  );
  if (installed.timedOut) return { reason: `installing ${name} took more than ${limit} s` };
  if (installed.exitCode !== 0) {
    if (
      /Temporary failure in name resolution|Connection refused|ConnectionError|NewConnectionError|Read timed out|No route to host|Network is unreachable/.test(
        installed.all,
      )
    )
      return { reason: "the package index is not reachable" };
    throw new Error(`pip install ${packages.join(" ")}\n${installed.all.slice(-2000)}`);
  }
  writeFileSync(join(folder, "ready"), "");
  return ready;
}

export const missing = (v: Venv | NoVenv): v is NoVenv => "reason" in v;

/** The mock of AWS. */
export const moto = (): Promise<Venv | NoVenv> => venv("moto", ["moto[server]==5.2.5"]);

/** One environment, and one torch, for TRL and torchtitan (which is added by version with `--target`). */
export const enginePackages = [
  "torch==2.13.0",
  "trl==1.16.0",
  "transformers==5.23.0",
  "peft==0.21.2",
  "accelerate==1.15.0",
  "datasets==5.2.0",
  "triton",
  "torchao==0.18.0",
  "torchdata==0.11.0",
  "tyro==1.0.17",
  "tensorboard",
  "einops",
  "torch_checkpointing==0.1.1",
  "spmd_types==0.2.3",
  "wandb",
];

/** A package beside the environment's own, alone unless asked for with what it needs: a folder for PYTHONPATH. */
export async function beside(engines: Venv, name: string, version: string, needs = false): Promise<string> {
  const folder = join(engines.bin, "..", `${name}-${version}`);
  const install = ["-m", "pip", "install", "-q", ...(needs ? [] : ["--no-deps"]), "--target", folder];
  if (!existsSync(folder)) await execa(engines.python, [...install, `${name}==${version}`]);
  return folder;
}

export const torchtitan = (engines: Venv, version: string): Promise<string> => beside(engines, "torchtitan", version);
