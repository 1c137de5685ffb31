/** Which backends are there, without loading them. */
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { cacheFolder } from "./cache.js";
import { type BackendName, backendNames } from "./types.js";

/** What `llmp doctor --fix` wrote last, after the backend had worked in a process of its own. */
export interface Installed {
  readonly backend: BackendName;
  /** Versions of what was installed, by name. */
  readonly versions: Readonly<Record<string, string>>;
  /** WebGPU: the adapter that was found. */
  readonly device?: string;
  /** WebGPU: a graphics processor, and not one that is simulated on the CPU. */
  readonly hardware?: boolean;
}

export const installFolder = (name: BackendName): string => join(cacheFolder(), "backends", name);

export function readInstalled(name: BackendName): Installed | undefined {
  try {
    return JSON.parse(readFileSync(join(installFolder(name), "installed.json"), "utf8")) as Installed;
  } catch {
    return undefined;
  }
}

const modules: Readonly<Partial<Record<BackendName, string>>> = {
  tensorflow: "@tensorflow/tfjs-node",
  "tensorflow-gpu": "@tensorflow/tfjs-node-gpu",
};

/** Inside a tfjs-node package. */
export const bindingFile = join("lib", "napi-v8", "tfjs_binding.node");

/** The addon of a native backend: the installed one, or that of the project's own tfjs-node. */
export function findBinding(name: BackendName): string | undefined {
  const module = modules[name];
  if (module === undefined) return undefined;
  if (readInstalled(name) !== undefined) return join(installFolder(name), "tfjs-node", bindingFile);
  for (const from of [join(process.cwd(), "package.json"), import.meta.url]) {
    try {
      // Without its install script the package has no binding.
      const found = join(createRequire(from).resolve(`${module}/package.json`), "..", bindingFile);
      if (existsSync(found)) return found;
    } catch {
      // Not there.
    }
  }
  return undefined;
}

export function isAvailable(name: BackendName): boolean {
  if (name === "wasm" || name === "cpu") return true;
  if (name === "webgpu") return readInstalled(name) !== undefined;
  return findBinding(name) !== undefined;
}

/** What runs where nothing is said. A simulated WebGPU is slower than WASM. */
export function bestBackend(): BackendName {
  return backendNames.find((n) => isAvailable(n) && (n !== "webgpu" || readInstalled(n)?.hardware === true))!;
}
