import { Command } from "commander";
import { writeWhole } from "../../files/index.js";
import type { Plan } from "../../planner/plan.js";
import { renderPlan } from "../../report/terminal/plan.js";
import { examples } from "../help.js";
import { collect, findFile } from "../load.js";
import { answer, answerJson, globals, note, usage, useColor, width } from "../output.js";
import { exitOf, makePlan, type PlanInputs } from "../plan/make.js";

interface Options extends PlanInputs {
  readonly json?: boolean;
  readonly output?: string;
  readonly html?: string;
  readonly why?: string | true;
  readonly layout?: boolean;
  readonly top?: string;
  readonly stage?: string;
  readonly watch?: boolean;
  readonly verbose?: boolean;
}

async function once(file: string | undefined, options: Options): Promise<void> {
  const { plan } = await makePlan(file, options);
  if (options.stage !== undefined && !plan.stages.some((s) => s.name === options.stage))
    throw usage(`there is no stage \`${options.stage}\``, `stages: ${plan.stages.map((s) => s.name).join(", ")}`);
  if (options.output !== undefined) {
    writeWhole(options.output, await planText(plan));
    note(`wrote ${options.output}`);
  }
  if (options.html !== undefined) {
    const { renderHtml } = await import("../../report/html/index.js");
    writeWhole(options.html, await renderHtml(plan));
    note(`wrote ${options.html}`);
  }
  if (options.json === true) answerJson(plan);
  else if (options.output === undefined || options.why !== undefined || options.layout === true)
    answer(page(plan, options));
  process.exitCode = exitOf(plan);
}

/** The file format: the same bytes for the same input, so without the seconds that the search took. */
async function planText(plan: Plan): Promise<string> {
  const { canonicalJson } = await import("../../planner/index.js");
  const stages = plan.stages.map((s) => ({ ...s, search: { ...s.search, seconds: 0 } }));
  return `${canonicalJson({ ...plan, stages }, 2)}\n`;
}

function page(plan: Plan, options: Options): string {
  const columns = width();
  const top = options.top === undefined ? undefined : Number(options.top);
  if (top !== undefined && !(Number.isInteger(top) && top >= 0)) throw usage(`--top ${options.top}: not a number`);
  return renderPlan(plan, {
    color: useColor(),
    verbose: options.verbose === true || globals.verbose,
    ...(columns === undefined ? {} : { width: columns }),
    ...(options.why === undefined ? {} : { why: options.why }),
    ...(options.layout === undefined ? {} : { layout: options.layout }),
    ...(top === undefined ? {} : { top }),
    ...(options.stage === undefined ? {} : { stage: options.stage }),
  });
}

async function watch(file: string | undefined, options: Options): Promise<void> {
  const path = findFile(file);
  const { watch: observe } = await import("chokidar");
  const attempt = async (): Promise<void> => {
    if (process.stdout.isTTY === true) answer("\u001b[2J\u001b[H");
    try {
      await once(path, options);
    } catch (error) {
      note(error instanceof Error ? error.message : String(error));
    }
    note(`watching ${path}; stop with Ctrl-C`);
  };
  await attempt();
  observe(path, { ignoreInitial: true, awaitWriteFinish: { stabilityThreshold: 100 } }).on("change", attempt);
}

export function command(): Command {
  return examples(
    new Command("plan")
      .description("Decide what the file leaves open, and predict memory, time and cost")
      .argument("[file]", "a .llmp file, a folder with one, or - for standard input")
      .option("--set <name=value>", "override a param, or a key of a block (repeatable)", collect)
      .option("--vars <file>", "settings as a JSON object")
      .option("--json", "the plan as JSON")
      .option("-o, --output <file>", "write the plan, for `llmp run`")
      .option("--html <file>", "write the plan as a page")
      .option("--why [decision]", "why each decision, or one, is as it is")
      .option("--layout", "where every tensor lives")
      .option("--stage <name>", "show this stage only")
      .option("--top <n>", "how many alternatives to show")
      .option("--prices <file>", "prices that override the bundled ones")
      .option("--calibration <file>", "what `llmp calibrate` wrote")
      .option("--offline", "no network (always so)")
      .option("--watch", "plan anew whenever the file changes")
      .option("-v, --verbose", "print more")
      .action((file: string | undefined, options: Options) =>
        options.watch === true ? watch(file, options) : once(file, options),
      ),
    ["llmp plan examples/llama3-8b-domain.llmp", "llmp plan plan.llmp --set gpus=128 --why parallel.tensor"],
  );
}
