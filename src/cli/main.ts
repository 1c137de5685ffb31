/** The entry: global options, then one command's module. */
import { dispatch } from "./dispatch.js";
import { failed } from "./failure.js";

// `llmp … | head`: whoever reads has enough.
for (const stream of [process.stdout, process.stderr])
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });

try {
  await dispatch(process.argv.slice(2));
} catch (error) {
  process.exitCode = failed(error);
}
