/** What commands print, by stream: they write to the two standard ones by number. For `vi.mock("node:fs", …)`. */
import type { Command } from "commander";

export const said = { out: "", err: "" };

export function capture<T extends object>(fs: T): T {
  const write = (fs as { writeSync: (...a: unknown[]) => number }).writeSync;
  return {
    ...fs,
    writeSync: (fd: number, data: Uint8Array, ...rest: number[]) => {
      if (fd > 2) return write(fd, data, ...rest);
      said[fd === 1 ? "out" : "err"] += Buffer.from(data).toString("utf8");
      return data.length;
    },
  };
}

/** Runs a command; its exit code is 0, or what it ended with. */
export async function call(command: Command, ...args: string[]): Promise<typeof said & { readonly code: number }> {
  said.out = "";
  said.err = "";
  try {
    await command
      .exitOverride()
      .configureOutput({ writeErr: () => {} })
      .parseAsync(args, { from: "user" });
    return { ...said, code: 0 };
  } catch (error) {
    const { code, message } = error as { code: unknown; message: string };
    return { ...said, err: `${said.err}${message}`, code: typeof code === "number" ? code : 2 };
  }
}
