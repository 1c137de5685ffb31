/** All commands. One line each; a file is loaded only when its command is called. */
import type { Command } from "commander";

export interface CommandRow {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<{ readonly command: () => Command }>;
}

export const commands: readonly CommandRow[] = [
  { name: "check", summary: "Report every mistake in a file", load: () => import("./commands/check.js") },
  {
    name: "data",
    summary: "Look at a file's datasets as training will see them",
    load: () => import("./commands/data.js"),
  },
];
