/** Programs that an installation needs, run without a shell. */

import { runCodes } from "../../diagnostics/index.js";
import { fail } from "../failure.js";

export interface Installing {
  readonly backend: string;
  readonly say: (line: string) => void;
}

export function cannotInstall({ backend }: Installing, why: string, hints: readonly string[] = []): never {
  fail(runCodes.report("LLMP6020", undefined, { backend, why }, { hints: [...hints] }));
}

/** What it wrote to stdout. A failure names the command and the last lines that it wrote. */
export async function tool(
  job: Installing,
  program: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly what: string; readonly missing: string },
): Promise<string> {
  const { execa } = await import("execa");
  const result = await execa(program, args, {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    reject: false,
    stdin: "ignore",
    all: true,
  });
  if (result.exitCode === 0) return result.stdout;
  if (result.code === "ENOENT") cannotInstall(job, `${program} is not on this machine`, [options.missing]);
  const said = result.all
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !/^(WARNING: Retrying|npm (warn|notice))/i.test(line));
  cannotInstall(job, `${options.what} failed: ${said.slice(-3).join(" / ") || `${program} gave ${result.exitCode}`}`, [
    `the command was ${[program, ...args].join(" ")}`,
  ]);
}
