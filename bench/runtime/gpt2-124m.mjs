/**
 * GPT-2 of 124M parameters, in the format that `transformers` saves (its config.json and names of weights; random values, made
 * here), trained by `llmp run` as a user would: AdamW, fp32, micro-batch 1, 1,024 tokens. Prints planned and measured tensor
 * bytes, and the process's own resident memory at its peak (Linux). `npm run build` first.
 *   node bench/runtime/gpt2-124m.mjs [--backend wasm | tensorflow] [--steps N] [--recompute none | full | auto]
 */
import { spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const option = (name, otherwise) => {
  const at = process.argv.indexOf(`--${name}`);
  return at > 0 ? process.argv[at + 1] : otherwise;
};
const root = fileURLToPath(new URL("../..", import.meta.url));
const cli = join(root, "dist/cli.js");
const backend = option("backend", "wasm");
const [layers, hidden, vocab, context] = [12, 768, 50257, 1024];

/** config.json of openai-community/gpt2, but for dropout (which the file sets to 0 again, as a user must). */
const config = {
  activation_function: "gelu_new",
  architectures: ["GPT2LMHeadModel"],
  attn_pdrop: 0.1,
  bos_token_id: 50256,
  embd_pdrop: 0.1,
  eos_token_id: 50256,
  initializer_range: 0.02,
  layer_norm_epsilon: 1e-5,
  model_type: "gpt2",
  n_ctx: context,
  n_embd: hidden,
  n_head: 12,
  n_layer: layers,
  n_positions: context,
  resid_pdrop: 0.1,
  vocab_size: vocab,
};

function weights(folder) {
  const shapes = { "transformer.wte.weight": [vocab, hidden], "transformer.wpe.weight": [context, hidden] };
  for (let i = 0; i < layers; i++) {
    const at = `transformer.h.${i}`;
    const linear = (name, from, to) => {
      shapes[`${at}.${name}.weight`] = [from, to];
      shapes[`${at}.${name}.bias`] = [to];
    };
    for (const norm of ["ln_1", "ln_2"]) for (const w of ["weight", "bias"]) shapes[`${at}.${norm}.${w}`] = [hidden];
    linear("attn.c_attn", hidden, 3 * hidden);
    linear("attn.c_proj", hidden, hidden);
    linear("mlp.c_fc", hidden, 4 * hidden);
    linear("mlp.c_proj", 4 * hidden, hidden);
  }
  for (const w of ["weight", "bias"]) shapes[`transformer.ln_f.${w}`] = [hidden];
  let end = 0;
  const header = { __metadata__: { format: "pt" } };
  for (const [name, shape] of Object.entries(shapes)) {
    const from = end;
    end += 4 * shape.reduce((a, b) => a * b, 1);
    header[name] = { dtype: "F32", shape, data_offsets: [from, end] };
  }
  const text = Buffer.from(JSON.stringify(header).padEnd(8 * Math.ceil(JSON.stringify(header).length / 8)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const file = openSync(join(folder, "model.safetensors"), "w");
  writeSync(file, length);
  writeSync(file, text);
  let random = 1;
  for (const [name, shape] of Object.entries(shapes)) {
    const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
    if (/ln_.*weight$/.test(name)) values.fill(1);
    else if (shape.length > 1)
      for (let i = 0; i < values.length; i++) {
        // Sum of two uniform numbers, with a spread of 0.02.
        random = (Math.imul(random, 1664525) + 1013904223) | 0;
        const first = random >>> 8;
        random = (Math.imul(random, 1664525) + 1013904223) | 0;
        values[i] = ((first + (random >>> 8)) / 2 ** 24 - 1) * 0.049;
      }
    writeSync(file, values);
  }
  closeSync(file);
  writeFileSync(join(folder, "config.json"), JSON.stringify(config));
}

/** Output of the CLI, and its largest resident set in bytes. */
function run(...args) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [cli, ...args], { stdio: ["ignore", "pipe", "inherit"] });
    let out = "";
    let peak = 0;
    child.stdout.on("data", (text) => {
      out += text;
    });
    const look = () => {
      try {
        const line = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"));
        peak = Math.max(peak, 1024 * Number(line?.[1] ?? 0));
      } catch {
        // Not Linux, or just ended.
      }
    };
    const timer = setInterval(look, 200);
    child.on("close", (code) => {
      clearInterval(timer);
      if (code === 0) resolve({ out, peak });
      else reject(new Error(`llmp ${args.join(" ")} ended with ${code}`));
    });
  });
}

const folder = mkdtempSync(join(tmpdir(), "llmp-gpt2-"));
try {
  weights(folder);
  const { out: model } = await run("import", join(folder, "config.json"));
  writeFileSync(join(folder, "text.txt"), "All happy families are alike. ".repeat(20_000));
  const file = join(folder, "gpt2.llmp");
  writeFileSync(
    file,
    `${model.replace(/weights .*/, `weights = "."`)}
model trained: ${/model (\w+)/.exec(model)[1]} { dropout = 0 }
tokenizer letters { kind = bytes }
dataset text { source = "text.txt", format = text }
cluster here { provider = local, backend = ${backend} }
train t {
  objective = pretrain
  model     = trained
  data      = text
  steps     = ${option("steps", "3")}
  batch     = 1 sequences
  precision = fp32
  parallel  = { micro_batch = 1, data = 1 }
  recompute = ${option("recompute", "auto")}
  optimizer = adamw { lr = 1e-4 }
  on        = here
}
`,
  );
  const { out, peak } = await run("run", file, "--json");
  const summary = JSON.parse(out);
  const [stage] = summary.stages;
  const gib = (bytes) => +(bytes / 2 ** 30).toFixed(3);
  console.log(
    JSON.stringify({
      backend: stage.backend,
      recompute: option("recompute", "auto"),
      tensor_peak_gib: { planned: gib(stage.predicted.peak_bytes), measured: gib(stage.measured.peak_bytes) },
      resident_gib: gib(peak),
      step_seconds: { planned: stage.predicted.step_seconds, measured: stage.measured.step_seconds },
      loss: [stage.first_loss, stage.final_loss],
    }),
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
