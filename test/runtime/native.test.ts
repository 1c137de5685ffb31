/** The native backend for real: installed by the code of `llmp doctor --fix`, then held to the contract of all backends. */
import { execFileSync } from "node:child_process";
import { homedir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { isAvailable, readInstalled, startBackend } from "../../src/runtime/backend/index.js";
import { RunFailure } from "../../src/runtime/failure.js";
import { installBackend } from "../../src/runtime/install/index.js";
import { contract } from "./contract.js";
import { randomPeaks } from "./peaks.js";
import { modes, sameGradients, samePeak } from "./steps.js";

// Kept between runs: a quarter of a gigabyte is not downloaded twice.
process.env.LLMP_CACHE = join(homedir(), ".cache", "llmp-test");

const works = (program: string, ...args: string[]): boolean => {
  try {
    execFileSync(program, args, { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
};

/** Why it cannot be had here; undefined once it is installed. */
async function unavailable(): Promise<string | undefined> {
  if (process.platform !== "linux") return "the recipe is for Linux";
  if (!works(process.env.CXX ?? "g++", "--version")) return "there is no C++ compiler";
  if (!works("python3", "-m", "pip", "--version")) return "there is no Python with pip";
  try {
    await installBackend("tensorflow", () => {});
    return undefined;
  } catch (error) {
    if (!(error instanceof RunFailure)) throw error;
    // Without network there is nothing to test; a failing compiler or binding is a failing test.
    if (/downloading/.test(error.message)) return error.message;
    throw error;
  }
}

const why = await unavailable();
if (why !== undefined) console.warn(`the native backend is not tested: ${why}`);

describe.skipIf(why !== undefined)("tensorflow, installed", () => {
  it("is found, and installing it again does nothing", async () => {
    expect(isAvailable("tensorflow")).toBe(true);
    expect(readInstalled("tensorflow")?.versions.tensorflow).toBeTypeOf("string");
    expect(await installBackend("tensorflow", () => {})).toBe("already there");
  });
  contract(() => startBackend("tensorflow"));
  sameGradients("tensorflow");
  samePeak("tensorflow", Object.keys(modes));
  randomPeaks("tensorflow", 12);
});
