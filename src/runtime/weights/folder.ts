import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { runCodes } from "../../diagnostics/index.js";
import { fail } from "../failure.js";
import type { NamedTensor, WeightStore } from "../interfaces.js";
import { elementSize } from "./dtype.js";
import { type OutTensor, SafetensorsFile, writeSafetensors } from "./safetensors.js";

/** A Hugging Face folder: `model.safetensors`, or shards with `model.safetensors.index.json`; or one file. */
export function openWeights(path: string): WeightStore {
  const files = shardFiles(path).map((file) => new SafetensorsFile(file));
  const owner = new Map<string, SafetensorsFile>();
  for (const file of files)
    for (const name of file.names) {
      const other = owner.get(name);
      if (other !== undefined)
        fail(
          runCodes.report("LLMP6203", undefined, {
            path,
            why: `${name} is in ${basename(other.path)} and ${basename(file.path)}`,
          }),
        );
      owner.set(name, file);
    }
  return {
    names: () => [...owner.keys()],
    read: async (name) => {
      const tensor = owner.get(name)?.float32(name);
      return tensor === undefined ? undefined : { name, ...tensor };
    },
    close: async () => {
      for (const file of files) file.close();
    },
  };
}

function shardFiles(path: string): readonly string[] {
  const refuse = (why: string): never => fail(runCodes.report("LLMP6203", undefined, { path, why }));
  if (!existsSync(path)) refuse("there is no such folder");
  if (statSync(path).isFile()) return [path];
  const index = join(path, "model.safetensors.index.json");
  if (existsSync(index)) {
    let map: unknown;
    try {
      map = (JSON.parse(readFileSync(index, "utf8")) as { weight_map?: unknown }).weight_map;
    } catch (error) {
      refuse(`model.safetensors.index.json: ${(error as Error).message}`);
    }
    if (typeof map !== "object" || map === null) refuse("model.safetensors.index.json has no weight_map");
    const names = [...new Set(Object.values(map as object))].sort();
    for (const name of names) {
      // A shard's name comes from a downloaded file: it must not lead elsewhere.
      if (typeof name !== "string" || basename(name) !== name) refuse(`shard ${String(name)} is not in the folder`);
      if (!existsSync(join(path, name as string))) refuse(`shard ${name} is missing`);
    }
    return names.map((name) => join(path, name as string));
  }
  const plain = ["model.safetensors", "adapter_model.safetensors"].map((n) => join(path, n)).find((p) => existsSync(p));
  if (plain !== undefined) return [plain];
  const other = readdirSync(path).filter((n) => /\.(bin|pt|pth|gguf)$/.test(n));
  return refuse(
    other.length > 0
      ? `it holds ${other[0]}, not safetensors: convert it with \`save_pretrained(safe_serialization=True)\``
      : "it holds no model.safetensors",
  );
}

export interface WriteWeightsOptions {
  readonly dtype?: "F32" | "BF16" | "F16";
  /** As `transformers` shards: 5 GB. */
  readonly maxShardBytes?: number;
}

/** Writes `model.safetensors`, or shards and their index, in the given order. */
export function writeWeights(folder: string, tensors: Iterable<NamedTensor>, options: WriteWeightsOptions = {}): void {
  const { dtype = "F32", maxShardBytes = 5e9 } = options;
  mkdirSync(folder, { recursive: true });
  const out: OutTensor[] = [...tensors].map((t) => ({ name: t.name, shape: t.shape, dtype, values: () => t.values }));
  const bytesOf = ({ shape }: OutTensor) => shape.reduce((product, dim) => product * dim, elementSize[dtype] as number);
  const shards: OutTensor[][] = [[]];
  let size = 0;
  for (const tensor of out) {
    if (size > 0 && size + bytesOf(tensor) > maxShardBytes) {
      shards.push([]);
      size = 0;
    }
    shards.at(-1)?.push(tensor);
    size += bytesOf(tensor);
  }
  if (shards.length === 1) {
    writeSafetensors(join(folder, "model.safetensors"), out);
    return;
  }
  const digits = (n: number) => String(n).padStart(5, "0");
  const map: Record<string, string> = {};
  shards.forEach((shard, i) => {
    const file = `model-${digits(i + 1)}-of-${digits(shards.length)}.safetensors`;
    writeSafetensors(join(folder, file), shard);
    for (const { name } of shard) map[name] = file;
  });
  const total = out.reduce((sum, tensor) => sum + bytesOf(tensor), 0);
  writeFileSync(
    join(folder, "model.safetensors.index.json"),
    `${JSON.stringify({ metadata: { total_size: total }, weight_map: map }, null, 2)}\n`,
    { flush: true },
  );
}
