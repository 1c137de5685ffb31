/** The entry: global options, then one command's module. */
import { fast } from "./fast.js";
import { complain, Exit, exit } from "./output.js";

const argv = process.argv.slice(2);
try {
  const done = fast(argv);
  if (done !== undefined) process.exitCode = done;
  else {
    const { dispatch } = await import("./dispatch.js");
    await dispatch(argv);
  }
} catch (error) {
  if (error instanceof Exit) {
    if (error.message !== "") complain(`error: ${error.message}`);
    for (const hint of error.hints) complain(`  ${hint}`);
    process.exitCode = error.code;
  } else {
    const { crash } = await import("./crash.js");
    crash(error);
    process.exitCode = exit.failed;
  }
}
