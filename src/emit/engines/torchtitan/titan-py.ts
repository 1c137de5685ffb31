/** `llmp_titan.py`: what torchtitan 0.2.2 imports before training. `settings` is a Python literal. */
export const titanPy = (settings: string): string =>
  String.raw`"""Adds this stage's model shape, data order and metrics file to torchtitan 0.2.2. Written by llmp."""
import json
import os
import time

import mix
from datasets import IterableDataset
from torchtitan.hf_datasets import DatasetConfig, text_datasets

SETTINGS = @@SETTINGS@@


def _model_args():
    args = dict(SETTINGS["args"])
    if SETTINGS["family"] == "qwen3":
        from torchtitan.models.moe import MoEArgs
        from torchtitan.models.qwen3 import Qwen3ModelArgs, qwen3_args

        if "moe_args" in args:
            args["moe_args"] = MoEArgs(**args["moe_args"])
        qwen3_args["llmp"] = Qwen3ModelArgs(**args)
    else:
        from torchtitan.models.llama3 import TransformerModelArgs, llama3_args
        from torchtitan.models.llama3.model.args import RoPEScalingArgs

        args["rope_scaling_args"] = RoPEScalingArgs(**args["rope_scaling_args"])
        llama3_args["llmp"] = TransformerModelArgs(**args)


def _length(config):
    if config["unit"] != "tokens":
        return lambda sample: 1
    if SETTINGS["bytes"]:
        return lambda sample: len(mix.text_of(sample).encode())
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(os.path.join("tokenizer", "tokenizer.json"))
    return lambda sample: len(tokenizer.encode(mix.text_of(sample), add_special_tokens=False).ids)


def _train(path):
    config = mix.settings()

    def samples():
        for _, sample in mix.order(config, _length(config), path):
            yield {"text": mix.text_of(sample)}

    return IterableDataset.from_generator(samples)


def _rows():
    """Rows that llmp data build wrote take the place of tokenising and packing: every data rank reads its own."""
    import torch

    text = text_datasets.HuggingFaceTextDataset
    plain = text.__iter__

    def rows(self):
        size = self.seq_len
        for sample in self._get_data_iter():
            self._sample_idx += 1
            if len(sample["tokens"]) != size:
                raise SystemExit(f"llmp: data/rows.jsonl has rows of {len(sample['tokens'])} tokens, the plan has {size}")
            yield {"input": torch.LongTensor(sample["tokens"])}, torch.LongTensor(sample["targets"])

    text.__iter__ = lambda self: rows(self) if self.dataset_name == "llmp" else plain(self)


def _train_rows(path):
    def samples():
        for row in mix.prepared("rows.jsonl", path):
            yield {"tokens": row["tokens"], "targets": row["targets"]}

    return IterableDataset.from_generator(samples)


def _evaluate(path):
    config = mix.settings()

    def samples():
        for _, sample in mix.evaluation(config, path):
            yield {"text": mix.text_of(sample)}

    return IterableDataset.from_generator(samples)


def _text(sample):
    return sample["text"]


READY = os.path.exists(os.path.join("data", "rows.jsonl"))
if READY:
    _rows()
def _decay():
    """Weight decay is for matrices: norms and biases have none, as in every other engine."""
    from torchtitan.components.optimizer import OptimizersContainer

    build = OptimizersContainer._post_init

    def split(self, params, kwargs):
        for optimizer in self.optimizers:
            (group,) = optimizer.param_groups
            flat = [p for p in group["params"] if p.ndim < 2]
            group["params"] = [p for p in group["params"] if p.ndim >= 2]
            if flat:
                rest = {k: v for k, v in group.items() if k not in ("params", "weight_decay")}
                optimizer.add_param_group({**rest, "params": flat, "weight_decay": 0.0})
        return build(self, params, kwargs)

    OptimizersContainer._post_init = split


_decay()
text_datasets.DATASETS["llmp"] = DatasetConfig(path="data", loader=_train_rows if READY else _train, sample_processor=_text)
text_datasets.DATASETS["llmp_evaluate"] = DatasetConfig(path="data", loader=_evaluate, sample_processor=_text)
_model_args()


def _metrics():
    """One JSON object per step in output/metrics.jsonl: what llmp run follows."""
    from torchtitan.components import metrics

    log = metrics.MetricsProcessor.log
    began = [time.perf_counter()]

    def wrapped(self, step, global_avg_loss, global_max_loss, grad_norm, *args, **kwargs):
        now = time.perf_counter()
        seconds, began[0] = now - began[0], now
        if int(os.environ.get("RANK", "0")) == 0:
            import torch

            if torch.cuda.is_available():
                peak = torch.cuda.max_memory_allocated()
            else:
                import resource

                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            extra = kwargs.get("extra_metrics") or (args[0] if args else None) or {}
            tokens = SETTINGS["tokens_per_step"]
            line = {
                "step": step,
                "loss": float(global_avg_loss),
                "tokens": step * tokens,
                "tokens_per_second": tokens / max(seconds, 1e-9),
                "step_seconds": seconds,
                "peak_bytes": int(peak),
                "lr": float(extra.get("lr", 0)),
                "grad_norm": float(grad_norm),
            }
            os.makedirs("output", exist_ok=True)
            with open(os.path.join("output", "metrics.jsonl"), "a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        return log(self, step, global_avg_loss, global_max_loss, grad_norm, *args, **kwargs)

    metrics.MetricsProcessor.log = wrapped


_metrics()
`.replace("@@SETTINGS@@", () => settings);
