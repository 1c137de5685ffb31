/**
 * Strategies a second beside Calculon's on the same problem in the same run, one core each:
 * `node bench/calculon.mjs PATH_TO_CALCULON [--python PYTHON] [--seconds 30]`. Calculon (github.com/calculon-ai/calculon) is
 * fetched by whoever runs this, into a folder of its own; PYTHON needs its packages (numpy, pandas, psutil). Its optimal
 * search of GPT-3 175B on 1,024 A100 has no pruning and would take most of an hour, so its own function runs over its own
 * list of strategies, shuffled, for so many seconds. Ours searches all axes of the same model, batch and machines to the end;
 * and, without any bound, evaluates strategies of its own shuffled list in full, one by one.
 */
import { execFileSync } from "node:child_process";
import path from "node:path";
import { loadSearch, strategies } from "./search-problem.mjs";

const [folder, ...rest] = process.argv.slice(2);
const option = (name, fallback) => (rest.includes(name) ? rest[rest.indexOf(name) + 1] : fallback);
if (folder === undefined) {
  console.error("usage: node bench/calculon.mjs PATH_TO_CALCULON [--python PYTHON] [--seconds 30]");
  process.exit(2);
}
const gpus = 1024;
const batch = 1024;

const program = `
import random, sys, time
sys.path.insert(0, sys.argv[1])
import calculon
from calculon.llm.llm import Llm
from calculon.llm.optimal_execution import OptimalExecution
from calculon.system import System
from calculon.util import pick
root, gpus, batch, limit = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
app = Llm.Application(calculon.io.read_json_file(root + "/models/gpt3-175B.json"))
syst = System(calculon.io.read_json_file(root + "/systems/a100_80g.json"))
params = []
for tp in Llm.get_all_tensor_parallelisms(gpus, app.hidden, app.attn_heads):
  for pp in Llm.get_all_pipeline_parallelisms(gpus, tp, app.num_blocks):
    dp = Llm.get_data_parallelism(gpus, tp, pp)
    for ppint in Llm.get_valid_pipeline_interleavings(app.num_blocks, pp):
      b = OptimalExecution.get_batch_size(dp, batch)
      if b is None: continue
      for recompute in ["full", "attn_only", "none"]:
        for sharding in pick(dp > 1, [True, False], [False]):
          for comm in ["ar", "p2p_rs_ag", "rs_ag"]:
            params.append((False, 1, False, gpus, batch, "float16", app, syst, tp, pp, dp, ppint, b, recompute, sharding, comm, [True], False, True, True))
random.Random(1).shuffle(params)
count, start = 0, time.process_time()
for p in params:
  count += OptimalExecution.search(*p)[1]
  if time.process_time() - start > limit: break
print(count, time.process_time() - start)
`;
const out = execFileSync(
  option("--python", "python3"),
  ["-c", program, path.resolve(folder), String(gpus), String(batch), option("--seconds", "30")],
  { encoding: "utf8" },
);
const [count, seconds] = out.trim().split(" ").map(Number);
const theirs = count / seconds;
console.log(`Calculon: ${count} strategies in ${seconds.toFixed(1)} s of one core · ${Math.round(theirs)} a second`);

const { run, evaluateAll } = await loadSearch();
const text = `
dataset web { source = "s3://corpus/web/*.parquet", field = "text", tokens = 300B }
model m { architecture = gpt2, layers = 96, hidden = 12288, heads = 96, ffn = 49152, vocab = 51200, context_length = 2Ki }
cluster c { provider = slurm, instance = p4de.24xlarge, count = ${gpus / 8} }
train base { objective = pretrain, model = m, data = web, tokens = 300B, batch = ${batch} sequences, precision = bf16, engine = megatron, on = c }
`;
const times = (a, b) => (a / b < 10 ? (a / b).toFixed(1) : Math.round(a / b).toLocaleString("en"));
const r = run(text);
console.log(`llmp, to the optimum: ${strategies(r)} · ${r.complete ? "optimal" : "not proven"}`);
console.log(
  `  ${times(r.considered / r.cpuSeconds, theirs)} times as many strategies a second, most decided by bounds`,
);
const e = evaluateAll(text, Number(option("--seconds", "30")) / 3);
const ours = e.evaluated / e.cpuSeconds;
console.log(
  `llmp, every strategy evaluated in full: ${e.evaluated} in ${e.cpuSeconds.toFixed(1)} s of one core · ${Math.round(ours)} a second`,
);
console.log(`  ${times(ours, theirs)} times as many`);
