/**
 * The WebGPU backend for real: installed by the code of `llmp doctor --fix webgpu`, on whichever driver there is. Without
 * a graphics processor that is a simulated one: Mesa's lavapipe (23.1 or later), or the SwiftShader inside Chromium.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { type Backend, isAvailable, readInstalled } from "../../src/runtime/backend/index.js";
import { startWebgpu } from "../../src/runtime/backend/webgpu.js";
import { RunFailure } from "../../src/runtime/failure.js";
import { installBackend } from "../../src/runtime/install/index.js";
import { buildWorker } from "../parallel/helpers.js";
import { contract } from "./contract.js";
import { sameGradients, samePeak } from "./steps.js";

// Kept between runs: 60 MB are not downloaded twice.
process.env.LLMP_CACHE = join(homedir(), ".cache", "llmp-test");
// lavapipe complains without one.
process.env.XDG_RUNTIME_DIR ??= tmpdir();

const program = buildWorker("../../src/runtime/backend/webgpu-worker.ts");
const folder = mkdtempSync(join(tmpdir(), "llmp-webgpu-"));
afterAll(() => {
  program.remove();
  rmSync(folder, { recursive: true, force: true });
});

const simulated = ["/usr/lib/chromium/vk_swiftshader_icd.json", "/opt/google/chrome/vk_swiftshader_icd.json"];

/** Starts it with the drivers of the system, else with Chromium's. Gives why it cannot be had where it cannot. */
async function begin(): Promise<Backend | string> {
  let why = "";
  for (const driver of [undefined, ...simulated.filter((file) => existsSync(file))]) {
    if (driver !== undefined) process.env.VK_ICD_FILENAMES = driver;
    try {
      await installBackend("webgpu", () => {});
      return await startWebgpu(program.file);
    } catch (error) {
      if (!(error instanceof RunFailure)) throw error;
      why = error.message;
      // Without network or driver there is nothing to test; all else is a failing test.
      if (/downloading/.test(why)) return why;
      if (!/no graphics processor|GLIBC/.test(why)) throw error;
    }
  }
  return why;
}

const begun = await begin();
if (typeof begun === "string") console.warn(`the WebGPU backend is not tested: ${begun}`);
const start = async (): Promise<Backend> => begun as Backend;

describe.skipIf(typeof begun === "string")("webgpu, installed", () => {
  it("is found, says what it runs on, and installing it again does nothing", async () => {
    expect(isAvailable("webgpu")).toBe(true);
    expect(readInstalled("webgpu")?.device).toBeTypeOf("string");
    expect(await installBackend("webgpu", () => {})).toBe("already there");
  });
  contract(start);
  sameGradients("webgpu", start);
  samePeak("webgpu", ["full"], start);

  it("trains a small Llama as WASM does, and peaks where the plan says", () => {
    writeFileSync(join(folder, "text.txt"), "the cat sat on the mat, the dog ran after it\n".repeat(100));
    writeFileSync(
      join(folder, "tiny.llmp"),
      `tokenizer letters { kind = bytes }
       dataset text { source = "text.txt", format = text }
       model tiny { architecture = llama, layers = 2, hidden = 32, heads = 4, kv_heads = 2, ffn = 64, vocab = 320, context_length = 32 }
       train t {
         objective = pretrain, model = tiny, data = text, steps = 3, batch = 4 sequences, precision = fp32
         optimizer = adamw { lr = 2e-3 }
       }\n`,
    );
    const run = (backend: string) => {
      const cli = join(import.meta.dirname, "../../dist/llmp.js");
      const args = [cli, "run", "tiny.llmp", "--backend", backend, "--json"];
      const stdout = execFileSync(process.execPath, args, { cwd: folder, stdio: ["ignore", "pipe", "ignore"] });
      return (JSON.parse(String(stdout)) as { stages: { final_loss: number; measured: Peak; predicted: Peak }[] })
        .stages[0]!;
    };
    const [ours, gpu] = [run("wasm"), run("webgpu")];
    expect(Math.abs(gpu.final_loss - ours.final_loss)).toBeLessThan(1e-4);
    expect(gpu.measured.peak_bytes / gpu.predicted.peak_bytes).toBeCloseTo(1, 2);
  });

  it("ends with a diagnostic, not for ever asleep, when the device cannot go on", async () => {
    const other = await startWebgpu(program.file);
    const small = other.algebra.floats(Float32Array.of(1, 2), [2]);
    // 4 TiB.
    other.algebra.scale(other.algebra.zeros([2 ** 20, 2 ** 20]), 2);
    let failure: unknown;
    try {
      other.algebra.read(small);
    } catch (error) {
      failure = error;
    }
    expect(failure).toBeInstanceOf(RunFailure);
    expect((failure as RunFailure).diagnostic.code).toBe("LLMP6008");
  });
});

interface Peak {
  readonly peak_bytes: number;
}

it("without a driver it says so, and what helps", { timeout: 60_000 }, () => {
  if (readInstalled("webgpu") === undefined) return;
  const cli = join(import.meta.dirname, "../../dist/llmp.js");
  const env = { ...process.env, VK_ICD_FILENAMES: join(folder, "none.json") };
  const facts = JSON.parse(
    String(execFileSync(process.execPath, [cli, "doctor", "--json"], { env, stdio: ["ignore", "pipe", "ignore"] })),
  ) as { backends: { name: string; works: boolean; note?: string }[] };
  const state = facts.backends.find((b) => b.name === "webgpu")!;
  expect(state.works).toBe(false);
  expect(state.note).toContain("no graphics processor");
});
