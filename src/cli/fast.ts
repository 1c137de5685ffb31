/** `llmp check FILE` without commander: editors and hooks call it all the time. Anything unusual goes the long way. */
import { type CheckFlags, runCheck } from "./check.js";
import { failed } from "./failure.js";
import { answer, globals } from "./output.js";
import { version } from "./version.js";

export function fast(argv: readonly string[]): number | undefined {
  try {
    return attempt(argv);
  } catch (error) {
    return failed(error);
  }
}

function attempt(argv: readonly string[]): number | undefined {
  if (argv.length === 1 && (argv[0] === "--version" || argv[0] === "-V")) {
    answer(version());
    return 0;
  }
  if (argv[0] !== "check") return undefined;
  let file: string | undefined;
  let flags: CheckFlags = {};
  let quiet = false;
  for (const arg of argv.slice(1)) {
    if (arg === "--json") flags = { ...flags, json: true };
    else if (arg === "--deny-warnings") flags = { ...flags, denyWarnings: true };
    else if (arg === "-q" || arg === "--quiet") quiet = true;
    else if ((arg === "-" || !arg.startsWith("-")) && file === undefined) file = arg;
    else return undefined;
  }
  globals.quiet = quiet;
  return runCheck(file, flags);
}
