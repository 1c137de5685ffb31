/**
 * Checkpoints that survive anything: a folder `step-N` is complete or absent (written under another name, synced,
 * renamed, parent synced), every file in it has its size and SHA-256 in `manifest.json`, and the manifest its own.
 */
import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { type Diagnostic, runCodes } from "../../diagnostics/index.js";
import { formatBytes } from "../../units/index.js";
import { fail } from "../failure.js";
import type { NamedTensor, TrainingState } from "../interfaces.js";
import { SafetensorsFile, writeSafetensors } from "../weights/index.js";

const manifestSchema = "llmp.checkpoint/1";

interface Manifest {
  readonly schema: typeof manifestSchema;
  readonly step: number;
  readonly tokens: number;
  /** Content hash of the plan that made it: a resumed run must be the same run. */
  readonly plan: string;
  readonly scalars: TrainingState["scalars"];
  readonly files: Readonly<Record<string, { readonly bytes: number; readonly sha256: string }>>;
}

export interface CheckpointOptions {
  /** `runs/NAME/STAGE/checkpoints`. */
  readonly folder: string;
  readonly planHash: string;
  /** Newest ones to keep. */
  readonly keep?: number;
  readonly onDiagnostic?: (diagnostic: Diagnostic) => void;
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

function syncFolder(path: string): void {
  // Windows cannot open folders; there a rename is durable by itself.
  if (process.platform === "win32") return;
  const fd = openSync(path, "r");
  fsyncSync(fd);
  closeSync(fd);
}

/** Steps with a checkpoint, newest first. */
export function checkpointSteps(folder: string): readonly number[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .map((name) => /^step-(\d+)$/.exec(name)?.[1])
    .filter((step) => step !== undefined)
    .map(Number)
    .sort((a, b) => b - a);
}

export function saveCheckpoint(options: CheckpointOptions, state: TrainingState): string {
  const { folder, keep = 3 } = options;
  const path = join(folder, `step-${state.step}`);
  const temporary = join(folder, `.step-${state.step}.${process.pid}.partial`);
  const bytes = state.tensors.reduce(
    (sum, t) => sum + t.shape.reduce((n, dim) => n * dim, 4) + t.name.length + 100,
    4096,
  );
  const refuse = (why: string): never => {
    rmSync(temporary, { recursive: true, force: true });
    const [last] = checkpointSteps(folder);
    return fail(
      runCodes.report(
        "LLMP6303",
        undefined,
        {
          path,
          why,
          left: last === undefined ? "none was saved before" : `step-${last} is still whole`,
        },
        { hints: ["free some space, then `llmp run --resume`"] },
      ),
    );
  };
  try {
    mkdirSync(folder, { recursive: true });
    clean(folder);
    const disk = statfsSync(folder);
    const free = disk.bavail * disk.bsize;
    if (free < bytes) refuse(`it needs ${formatBytes(bytes)} and the disk has ${formatBytes(free)} left`);
    mkdirSync(temporary);
    const hash = createHash("sha256");
    let written = 0;
    writeSafetensors(
      join(temporary, "state.safetensors"),
      state.tensors.map((t) => ({ name: t.name, shape: t.shape, dtype: "F32", values: () => t.values })),
      { format: "llmp" },
      (part) => {
        hash.update(part);
        written += part.length;
      },
    );
    const manifest: Manifest = {
      schema: manifestSchema,
      step: state.step,
      tokens: state.tokens,
      plan: options.planHash,
      scalars: state.scalars,
      files: { "state.safetensors": { bytes: written, sha256: hash.digest("hex") } },
    };
    const body = JSON.stringify(manifest);
    writeFileSync(join(temporary, "manifest.json"), `${JSON.stringify({ sha256: sha256(body), manifest })}\n`, {
      flush: true,
    });
    syncFolder(temporary);
    if (existsSync(path)) rmSync(path, { recursive: true, force: true });
    renameSync(temporary, path);
    syncFolder(folder);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === undefined || !code.startsWith("E")) throw error;
    refuse(code === "ENOSPC" ? "the disk is full" : message);
  }
  for (const step of checkpointSteps(folder).slice(keep))
    rmSync(join(folder, `step-${step}`), { recursive: true, force: true });
  return path;
}

/** Leftovers of saves that were cut off. */
function clean(folder: string): void {
  for (const name of readdirSync(folder))
    if (name.endsWith(".partial")) rmSync(join(folder, name), { recursive: true, force: true });
}

/** The newest whole checkpoint; damaged ones are reported and passed over. Undefined where there is none at all. */
export function loadLatest(options: CheckpointOptions): TrainingState | undefined {
  const steps = checkpointSteps(options.folder);
  let why = "";
  for (const [i, step] of steps.entries()) {
    const path = join(options.folder, `step-${step}`);
    try {
      return load(path, options.planHash);
    } catch (error) {
      if (!(error instanceof Damage)) throw error;
      why ||= `${basename(path)} is damaged: ${error.message}`;
      const next = steps[i + 1];
      options.onDiagnostic?.(
        runCodes.report("LLMP6302", undefined, {
          path,
          why: error.message,
          fallback: next === undefined ? "the start: there is no other" : `step-${next}`,
        }),
      );
    }
  }
  return steps.length === 0
    ? undefined
    : fail(
        runCodes.report(
          "LLMP6301",
          undefined,
          { path: options.folder, why },
          { hints: ["without --resume the run starts anew"] },
        ),
      );
}

class Damage extends Error {}

function load(path: string, planHash: string): TrainingState {
  const damaged = (why: string): never => {
    throw new Damage(why);
  };
  let manifest: Manifest;
  try {
    const outer = JSON.parse(readFileSync(join(path, "manifest.json"), "utf8")) as {
      sha256: string;
      manifest: Manifest;
    };
    manifest = outer.manifest;
    if (sha256(JSON.stringify(manifest)) !== outer.sha256) damaged("its manifest was changed");
  } catch (error) {
    throw error instanceof Damage ? error : new Damage(`its manifest cannot be read (${(error as Error).message})`);
  }
  if (manifest.schema !== manifestSchema) damaged(`it has the format ${manifest.schema}`);
  if (manifest.plan !== planHash)
    fail(
      runCodes.report(
        "LLMP6304",
        undefined,
        { path, what: "the plan's hash" },
        {
          hints: ["resume with the file as it was (the run's plan.json has it), or start a new run"],
        },
      ),
    );
  for (const [name, { bytes, sha256: wanted }] of Object.entries(manifest.files)) {
    const file = join(path, name);
    if (!existsSync(file)) damaged(`${name} is missing`);
    if (statSync(file).size !== bytes) damaged(`${name} has ${statSync(file).size} bytes instead of ${bytes}`);
    if (hashFile(file) !== wanted) damaged(`the checksum of ${name} is wrong`);
  }
  const file = new SafetensorsFile(join(path, "state.safetensors"));
  const tensors: NamedTensor[] = file.names.map((name) => {
    const tensor = file.float32(name);
    if (tensor === undefined) throw new Error(name);
    return { name, ...tensor };
  });
  file.close();
  return { step: manifest.step, tokens: manifest.tokens, scalars: manifest.scalars, tensors };
}

function hashFile(path: string): string {
  const hash = createHash("sha256");
  const buffer = Buffer.alloc(1 << 20);
  const fd = openSync(path, "r");
  for (let got = readSync(fd, buffer); got > 0; got = readSync(fd, buffer)) hash.update(buffer.subarray(0, got));
  closeSync(fd);
  return hash.digest("hex");
}
