import path from "node:path";
import { Command } from "commander";
import { writeWhole } from "../../files/index.js";
import { calibrateRuns } from "../../planner/calibrate/index.js";
import { examples } from "../help.js";
import { answer, complain, usage } from "../output.js";
import { loadRuns } from "./validate.js";

export function command(): Command {
  return examples(
    new Command("calibrate")
      .description("Fit predictions to your own measured runs; one run is enough")
      .argument("<runs>", "a .jsonl file of measured runs, or - for standard input")
      .option("-o, --output <file>", "where to write; standard output if left out")
      .option("--json", "print what was written")
      .action((file: string, options: { output?: string; json?: true }) => {
        const made = calibrateRuns(loadRuns(file), file === "-" ? "standard input" : path.basename(file));
        if (made.stacks.length === 0)
          throw usage(`${file} has no run that was measured and can be predicted`, "llmp validate says what rows lack");
        const json = `${JSON.stringify(made, null, 2)}\n`;
        if (options.output === undefined) {
          answer(json);
          return;
        }
        try {
          writeWhole(options.output, json);
        } catch (error) {
          throw usage(`cannot write ${options.output}: ${error instanceof Error ? error.message : String(error)}`);
        }
        if (options.json === true) answer(json);
        for (const s of made.stacks)
          complain(
            `${s.engine} on ${s.accelerator}: time × ${s.timeFactor.toFixed(3)}, memory × ${s.memoryFactor.toFixed(3)} (${s.rows} run${s.rows === 1 ? "" : "s"})`,
          );
      }),
    [
      "llmp calibrate mine.jsonl -o mine.json",
      "llmp calibrate mine.jsonl -o mine.json && llmp plan --calibration mine.json",
    ],
  );
}
