/** `llmp doctor --fix`: backends that `npm ci` leaves out, into the user's cache; whole or not at all. */
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type BackendName, type Installed, installFolder, readInstalled } from "../backend/index.js";
import type { Installing } from "./tools.js";

/** What can be installed, by the word after `--fix`. */
export const installable = { cpu: "tensorflow", gpu: "tensorflow-gpu", webgpu: "webgpu" } as const;
export type Installable = (typeof installable)[keyof typeof installable];

const builders: Readonly<
  Record<Installable, (job: Installing, folder: string) => Promise<Pick<Installed, "versions" | "device" | "hardware">>>
> = {
  tensorflow: async (job, folder) => ({
    versions: await (await import("./tensorflow.js")).buildTensorflow(job, folder, false),
  }),
  "tensorflow-gpu": async (job, folder) => ({
    versions: await (await import("./tensorflow.js")).buildTensorflow(job, folder, true),
  }),
  webgpu: async (job, folder) => (await import("./webgpu.js")).buildWebgpu(job, folder),
};

const expected: Readonly<Record<Installable, () => Promise<Readonly<Record<string, string>>>>> = {
  tensorflow: async () => (await import("./tensorflow.js")).versions,
  "tensorflow-gpu": async () => (await import("./tensorflow.js")).versions,
  webgpu: async () => (await import("./webgpu.js")).versions,
};

/** Does nothing where the same versions are already there. */
export async function installBackend(
  backend: Installable & BackendName,
  say: (line: string) => void,
): Promise<"installed" | "already there"> {
  const wanted = JSON.stringify(await expected[backend]());
  if (JSON.stringify(readInstalled(backend)?.versions) === wanted) return "already there";
  const folder = installFolder(backend);
  const partial = `${folder}.${process.pid}.partial`;
  const old = `${folder}.${process.pid}.old`;
  mkdirSync(dirname(folder), { recursive: true });
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial);
  try {
    const built = await builders[backend]({ backend, say }, partial);
    const installed: Installed = { backend, ...built };
    writeFileSync(join(partial, "installed.json"), `${JSON.stringify(installed, null, 2)}\n`, { flush: true });
    try {
      renameSync(folder, old);
    } catch {
      // There was none.
    }
    renameSync(partial, folder);
    return "installed";
  } finally {
    for (const left of [partial, old]) rmSync(left, { recursive: true, force: true });
  }
}
