/** Child process of the kill test: saves states one after the other until it is killed. */
import { appendFileSync } from "node:fs";
import { saveCheckpoint } from "../../src/runtime/checkpoint/index.js";
import { stateOf } from "./state.js";

const [folder = "", log = "", first = "1"] = process.argv.slice(2);
for (let step = Number(first); ; step++) {
  saveCheckpoint({ folder, planHash: "plan", keep: 2 }, stateOf(step));
  // Only what was reported as saved may be relied on.
  appendFileSync(log, `${step}\n`);
}
