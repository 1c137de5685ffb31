/** The built command line, as a user's shell starts it: no terminal, no colour forced, its own working folder. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { execa } from "execa";
import { onTestFinished } from "vitest";
import { program } from "../built.js";

export interface Answer {
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Call {
  readonly cwd?: string;
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export async function llmp(args: readonly string[], { cwd, input, env }: Call = {}): Promise<Answer> {
  const done = await execa(process.execPath, [program, ...args], {
    reject: false,
    stripFinalNewline: false,
    ...(cwd === undefined ? {} : { cwd }),
    ...(input === undefined ? { stdin: "ignore" as const } : { input }),
    env: { NO_COLOR: undefined, FORCE_COLOR: undefined, ...env },
  });
  return { code: done.exitCode, stdout: done.stdout ?? "", stderr: done.stderr ?? "" };
}

/** An empty folder, gone when the test is over. */
export function folder(): string {
  const made = mkdtempSync(path.join(tmpdir(), "llmp-cli-"));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}
