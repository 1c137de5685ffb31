import { availableParallelism, totalmem } from "node:os";
import { Command } from "commander";
import type { LocalMachine } from "../../planner/types.js";
import type { BackendName } from "../../runtime/backend/index.js";
import { RunFailure } from "../../runtime/types.js";
import { formatBytes, formatFlops, formatSeconds } from "../../units/index.js";
import { reported } from "../failures.js";
import { examples } from "../help.js";
import { calibrationProbes } from "../machine.js";
import { answer, answerJson, note, usage } from "../output.js";

interface Options {
  readonly fix?: string | true;
  readonly calibrate?: string | true;
  readonly json?: boolean;
}

/** `llmp doctor` */
export function command(): Command {
  return examples(
    new Command("doctor")
      .description("Show what this machine can run; install faster backends; measure it")
      .option(
        "--fix [what]",
        "install into the cache folder: cpu (TensorFlow), gpu (with CUDA), webgpu, or an engine: trl, torchtitan, fast_llm",
      )
      .option("--calibrate [backend]", "measure this machine; plans for it use the figures")
      .option("--json", "print JSON")
      .action((options: Options) => reported(() => doctor(options))),
    ["llmp doctor --fix", "llmp doctor --calibrate --json"],
  );
}

interface State {
  readonly name: BackendName;
  readonly works: boolean;
  readonly default: boolean;
  /** Why it does not work, or how to get it. */
  readonly note?: string;
  /** WebGPU's adapter. */
  readonly device?: string;
  readonly machine: LocalMachine | null;
}

async function doctor(options: Options): Promise<void> {
  const { backendNames, bestBackend, cacheFolder } = await import("../../runtime/backend/index.js");
  if (options.fix !== undefined) await fix(options.fix === true ? "cpu" : options.fix);
  if (options.calibrate !== undefined) {
    const { calibrate } = await import("../../runtime/calibrate/index.js");
    const name = options.calibrate === true ? bestBackend() : options.calibrate;
    note(`measuring ${name}`);
    await calibrate(name, await calibrationProbes());
  }
  const states: State[] = [];
  for (const name of backendNames) states.push(await stateOf(name));
  const facts = {
    node: process.versions.node,
    cores: availableParallelism(),
    memory_bytes: totalmem(),
    cache: cacheFolder(),
    backends: states,
    engines: await enginesHere(),
  };
  if (options.json === true) answerJson(facts);
  else answer(lines(facts).join("\n"));
}

interface EngineState {
  readonly name: string;
  /** Of the environment that `--fix` made; null: there is none. */
  readonly version: string | null;
  readonly folder: string;
}

async function enginesHere(): Promise<EngineState[]> {
  const { installableEngines } = await import("../engine/install.js");
  const { engineFolder, installedEngine } = await import("../engine/python.js");
  return installableEngines.map((name) => ({
    name,
    version: installedEngine(name) ?? null,
    folder: engineFolder(name),
  }));
}

async function fix(what: string): Promise<void> {
  const { installable, installBackend } = await import("../../runtime/install/index.js");
  const { installableEngines, installEngine } = await import("../engine/install.js");
  if (installableEngines.includes(what)) return note(`${what}: ${await installEngine(what, note)}`);
  const known = [...Object.keys(installable), ...installableEngines];
  if (!(what in installable)) throw usage(`--fix knows ${known.join(", ")}, not ${what}`);
  const name = installable[what as keyof typeof installable];
  note(`${name}: ${await installBackend(name, note)}`);
}

const ways: Readonly<Record<BackendName, string>> = {
  "tensorflow-gpu": "not installed: llmp doctor --fix gpu",
  tensorflow: "not installed: llmp doctor --fix",
  webgpu: "not installed: llmp doctor --fix webgpu",
  wasm: "",
  cpu: "",
};

async function stateOf(name: BackendName): Promise<State> {
  const { bestBackend, isAvailable, readInstalled, startBackend } = await import("../../runtime/backend/index.js");
  const { readMachine } = await import("../../runtime/calibrate/index.js");
  const state = { name, default: name === bestBackend(), machine: readMachine(name) ?? null };
  if (!isAvailable(name)) return { ...state, works: false, note: ways[name] };
  try {
    await startBackend(name);
    const installed = readInstalled(name);
    if (installed?.device === undefined) return { ...state, works: true };
    const simulated = installed.hardware === true ? "" : ", simulated on the CPU";
    return { ...state, works: true, device: `${installed.device}${simulated}` };
  } catch (error) {
    if (!(error instanceof RunFailure)) throw error;
    return { ...state, works: false, note: error.diagnostic.message };
  }
}

function lines(f: {
  readonly node: string;
  readonly cores: number;
  readonly memory_bytes: number;
  readonly backends: readonly State[];
  readonly engines: readonly EngineState[];
}): string[] {
  const width = Math.max(...[...f.backends, ...f.engines].map((b) => b.name.length));
  return [
    `Node ${f.node}, ${f.cores} cores, ${formatBytes(f.memory_bytes)}`,
    ...f.backends.flatMap((b) => {
      const state = b.works
        ? `works${b.device === undefined ? "" : ` on ${b.device}`}${b.default ? " (the default)" : ""}`
        : (b.note ?? "");
      return [`${b.name.padEnd(width)}  ${state}`, ...(b.works ? [`${" ".repeat(width)}  ${figures(b)}`] : [])];
    }),
    "engines for `engine = …` on this machine:",
    ...f.engines.map(
      ({ name, version, folder }) =>
        `${name.padEnd(width)}  ${version === null ? `not installed: llmp doctor --fix ${name}` : `${version}, in ${folder}`}`,
    ),
  ];
}

const figures = ({ name, machine: m }: State): string =>
  m === null
    ? `not measured yet: llmp doctor --calibrate ${name}`
    : [
        `matrix products ${formatFlops(m.matmulFlops)}/s`,
        `memory ${formatBytes(m.elementwiseBandwidth)}/s`,
        `a call ${formatSeconds(m.kernelLaunchSeconds)}`,
      ].join(", ");
