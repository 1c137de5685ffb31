/** The entry: global options, then one command's module. */
import { dispatch } from "./dispatch.js";
import { failed } from "./failure.js";

try {
  await dispatch(process.argv.slice(2));
} catch (error) {
  process.exitCode = failed(error);
}
