import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fromHfConfig } from "../../../../src/model/index.js";
import { loadLatest, saveCheckpoint } from "../../../../src/runtime/checkpoint/index.js";
import { openWeights, parseHeader, readAdapter, SafetensorsFile } from "../../../../src/runtime/weights/index.js";
import { at, bytes, refuses, scratch, type Target, text } from "./types.js";

/** A small whole file: two tensors of each type. */
function safetensors(): Uint8Array {
  const sizes = { F32: 4, BF16: 2, F16: 2, I64: 8, U8: 1, BOOL: 1, F8_E4M3: 1 };
  let end = 0;
  const entries = Object.entries(sizes).map(([dtype, size]) => {
    const start = end;
    end += 6 * size;
    return [`layer.${dtype}.weight`, { dtype, shape: [2, 3], data_offsets: [start, end] }];
  });
  const header = bytes(JSON.stringify({ __metadata__: { format: "pt" }, ...Object.fromEntries(entries) }));
  const out = new Uint8Array(8 + header.length + end);
  new DataView(out.buffer).setBigUint64(0, BigInt(header.length), true);
  out.set(header, 8);
  return out;
}

const fixtures = readdirSync(at("test/weights/fixtures"));
const configs = fixtures
  .filter((f) => f !== "llama2_lora")
  .map((f) => readFileSync(at("test/weights/fixtures", f, "config.json")));

function write(folder: string, file: string, data: Uint8Array | string): string {
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, file), data);
  return folder;
}

const lora = "test/weights/fixtures/llama2_lora";
const state = {
  step: 7,
  tokens: 7000,
  scalars: { lossScale: 1024 } as never,
  tensors: [{ name: "a", shape: [2, 2], values: new Float32Array([1, 2, 3, 4]) }],
};
/** Its folder, made once: what is in manifest.json. */
function manifest(): Uint8Array {
  const folder = path.join(scratch(), "checkpoints");
  rmSync(folder, { recursive: true, force: true });
  saveCheckpoint({ folder, planHash: "p" }, state);
  return readFileSync(path.join(folder, "step-7", "manifest.json"));
}

export const weights: readonly Target[] = [
  {
    name: "safetensors header",
    seeds: [safetensors().subarray(8)],
    json: true,
    run: (input) => {
      try {
        parseHeader(text(input), 120);
      } catch (error) {
        if (error instanceof TypeError || error instanceof RangeError) throw error;
      }
    },
  },
  {
    name: "safetensors file",
    seeds: [safetensors()],
    run: (input) => {
      const file = path.join(write(scratch(), "x.safetensors", input), "x.safetensors");
      return refuses(() => {
        const opened = new SafetensorsFile(file);
        for (const name of opened.names) opened.float32(name);
        opened.close();
      });
    },
  },
  {
    name: "safetensors index",
    json: true,
    seeds: [bytes(JSON.stringify({ metadata: { total_size: 9 }, weight_map: { a: "a.safetensors", b: "../b" } }))],
    run: (input) => {
      const folder = path.join(scratch(), "sharded");
      write(folder, "a.safetensors", safetensors());
      write(folder, "model.safetensors.index.json", input);
      return refuses(async () => openWeights(folder).close());
    },
  },
  {
    name: "adapter",
    json: true,
    seeds: [readFileSync(at(lora, "adapter_config.json"))],
    run: (input) => {
      const folder = write(path.join(scratch(), "adapter"), "adapter_config.json", input);
      write(folder, "adapter_model.safetensors", readFileSync(at(lora, "adapter_model.safetensors")));
      return refuses(() => readAdapter(folder));
    },
  },
  {
    name: "checkpoint",
    json: true,
    seeds: [manifest()],
    run: (input) => {
      const folder = path.join(scratch(), "checkpoints");
      write(path.join(folder, "step-7"), "manifest.json", resigned(input));
      return refuses(() => loadLatest({ folder, planHash: "p" }));
    },
  },
  {
    name: "config.json",
    json: true,
    seeds: configs,
    run: (input) => {
      let json: unknown;
      try {
        json = JSON.parse(text(input));
      } catch {
        return;
      }
      fromHfConfig(json, "config.json");
    },
  },
];

/** With a checksum that is right again, every other time: the changed values behind it are read then. */
function resigned(input: Uint8Array): Uint8Array {
  if (input.length % 2 === 0) return input;
  try {
    const outer = JSON.parse(text(input)) as { manifest: unknown };
    const sha256 = createHash("sha256").update(JSON.stringify(outer.manifest)).digest("hex");
    return bytes(JSON.stringify({ ...outer, sha256 }));
  } catch {
    return input;
  }
}
