/** The program that runs a stage with TRL: a reader of train.yaml. All decisions are in that file. */
export const trainPy = String.raw`"""Trains one stage with Hugging Face TRL. Written by llmp; every setting is in train.yaml and data.json beside it."""
import dataclasses
import json
import math
import os
import signal
import sys
import time

import torch
import trl
import yaml
from datasets import Dataset, IterableDataset
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, TrainerCallback

import mix

HERE = os.path.dirname(os.path.abspath(__file__))


def load(name):
    with open(os.path.join(HERE, name), encoding="utf-8") as file:
        return yaml.safe_load(file)


def load_model(section, dtype):
    """From a folder with safetensors, or fresh from a config.json."""
    extra = dict(section.get("load", {}))
    if section.get("quantization"):
        from transformers import BitsAndBytesConfig

        quant = dict(section["quantization"])
        for key in ("bnb_4bit_compute_dtype", "bnb_4bit_quant_storage"):
            if key in quant:
                quant[key] = getattr(torch, quant[key])
        extra["quantization_config"] = BitsAndBytesConfig(**quant)
    if section.get("path"):
        return AutoModelForCausalLM.from_pretrained(section["path"], dtype=dtype, **extra)
    config = AutoConfig.from_pretrained(os.path.join(HERE, section["config"]))
    return AutoModelForCausalLM.from_config(config, dtype=dtype, **extra)


def load_tokenizer(section, vocab):
    if section.get("bytes"):
        from byte_tokenizer import byte_tokenizer

        return byte_tokenizer(vocab)
    tokenizer = AutoTokenizer.from_pretrained(section["path"])
    if section.get("chat_template"):
        tokenizer.chat_template = section["chat_template"]
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.convert_ids_to_tokens(0)
    return tokenizer


def freeze(model, patterns):
    import fnmatch

    for name, parameter in model.named_parameters():
        if any(fnmatch.fnmatch(name, pattern) for pattern in patterns):
            parameter.requires_grad_(False)


def high_water():
    """The most memory that the process has held, in bytes."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class Stop:
    """SIGTERM (a spot interruption, llmp stop, the end of a job): the step is finished and saved, on every process at once."""

    asked = agreed = False

    def listen(self):
        def heard(*_):
            self.asked = True

        signal.signal(signal.SIGTERM, heard)

    def now(self, device):
        asked = torch.tensor(float(self.asked), device=device)
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(asked)
        self.agreed = bool(asked)
        return self.agreed


STOP = Stop()


class Metrics(TrainerCallback):
    """One JSON object per step in output/metrics.jsonl: what llmp run follows."""

    def __init__(self, path, tokens_per_step, before):
        self.path, self.tokens_per_step, self.before, self.began = path, tokens_per_step, before, None

    def on_step_begin(self, args, state, control, **_):
        self.began = time.perf_counter()

    def on_step_end(self, args, state, control, **_):
        self.seconds = time.perf_counter() - self.began
        if STOP.now(args.device):
            control.should_save = control.should_training_stop = True

    def on_log(self, args, state, control, logs=None, **_):
        if not state.is_world_process_zero or "loss" not in (logs or {}):
            return
        cuda = torch.cuda.is_available()
        # On a CPU: what the process has grown by since it had imported everything and held no model.
        peak = torch.cuda.max_memory_allocated() if cuda else high_water() - self.before
        line = {
            "step": state.global_step,
            "loss": float(logs["loss"]),
            "tokens": state.global_step * self.tokens_per_step,
            "tokens_per_second": self.tokens_per_step / max(self.seconds, 1e-9),
            "step_seconds": self.seconds,
            "peak_bytes": int(peak),
            "lr": float(logs.get("learning_rate", 0)),
            "grad_norm": float(logs.get("grad_norm", 0)),
        }
        extra = {k: v for k, v in logs.items() if isinstance(v, (int, float)) and k not in ("loss", "learning_rate", "grad_norm", "epoch")}
        if extra:
            line["extra"] = extra
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def learning_rate(schedule):
    """Share of the peak at a step (from 0): linear warm-up, then the planned curve down to min_ratio."""
    steps, warmup, low = schedule["steps"], min(schedule["steps"], schedule["warmup"]), schedule["min_ratio"]

    def share(step):
        if step < warmup:
            return (step + 1) / warmup
        at = min(1.0, (step - warmup) / max(1, steps - warmup))
        if schedule["kind"] == "constant":
            return 1.0
        if schedule["kind"] == "linear":
            part = 1 - at
        elif schedule["kind"] == "cosine":
            part = 0.5 * (1 + math.cos(math.pi * at))
        else:
            part = min(1.0, max(0.0, (steps - step) / max(1e-9, schedule["decay"])))
        return low + (1 - low) * part

    return share


def token_stream(data, tokenizer, size):
    def tokenize(text):
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    for ids, targets, positions in mix.packed(data, tokenize, size, tokenizer.eos_token_id):
        yield {"input_ids": ids, "labels": targets, "position_ids": positions}


def collate(apart):
    """Full sequences need no padding. With positions and no mask, attention keeps the documents of a sequence apart."""

    def together(samples):
        names = ("input_ids", "labels", "position_ids") if apart else ("input_ids", "labels")
        batch = {name: torch.tensor([sample[name] for sample in samples]) for name in names}
        # Labels are the next tokens already: the loss must not shift them again.
        batch["shift_labels"] = batch["labels"]
        return batch

    return together


def last_checkpoint(folder):
    """The newest checkpoint that is whole: its trainer_state.json is written last, and cut short where a machine was taken away."""
    found = []
    for name in os.listdir(folder):
        if not name.startswith("checkpoint-") or not name[11:].isdigit():
            continue
        try:
            with open(os.path.join(folder, name, "trainer_state.json"), encoding="utf-8") as file:
                json.load(file)
        except (OSError, ValueError):
            print(f"llmp: {name} was not saved to its end, and is passed over")
            continue
        found.append((int(name[11:]), os.path.join(folder, name)))
    return max(found)[1] if found else None


def start_adapter(model):
    """The adapter that llmp data build wrote: every engine starts from the same one."""
    folder = os.path.join("data", "adapter")
    if not os.path.exists(os.path.join(folder, "adapter_config.json")):
        return
    with open(os.path.join(folder, "adapter_config.json"), encoding="utf-8") as file:
        if json.load(file)["rank_pattern"]:
            print("llmp: the model joins projections that the adapter has apart: it starts from PEFT's own random one")
            return
    from peft import set_peft_model_state_dict
    from safetensors.torch import load_file

    wrong = set_peft_model_state_dict(model, load_file(os.path.join(folder, "adapter_model.safetensors")))
    if wrong.unexpected_keys:
        raise SystemExit(f"llmp: the adapter in {folder} has weights that the model lacks: {wrong.unexpected_keys[:3]}")


def sample_stream(data, tokenizer):
    def length(sample):
        if data["unit"] != "tokens":
            return 1
        return len(tokenizer(mix.text_of(sample), add_special_tokens=False)["input_ids"])

    for _, sample in mix.order(data, length):
        yield sample


def first(stream, count):
    return [next(stream) for _ in range(count)]


def distill_trainer(base):
    """SFT whose loss is a divergence between the student's and the teacher's distributions (Hinton et al. 2015)."""
    import torch.nn.functional as F

    class DistillTrainer(base):
        def __init__(self, *args, teacher=None, distill=None, **kwargs):
            super().__init__(*args, **kwargs)
            self.distill = distill
            teacher.requires_grad_(False).eval()
            self.teacher = self.accelerator.prepare_model(teacher, evaluation_mode=True)

        def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
            labels = inputs["labels"]
            # Where there is a cache, transformers takes no notice of positions that start again: documents would be mixed.
            plain = {k: inputs[k] for k in ("input_ids", "attention_mask", "position_ids") if k in inputs}
            plain["use_cache"] = False
            # Targets that are shifted already stand over their own position.
            if "shift_labels" in inputs:
                labels = torch.cat([labels.new_full((labels.shape[0], 1), -100), inputs["shift_labels"]], 1)
            outputs = model(**plain)
            with torch.no_grad():
                guide = self.teacher(**plain).logits
            heat = self.distill["temperature"]
            keep = labels[:, 1:] != -100
            width = keep.shape[1]
            student = outputs.logits[:, :width][keep].float()
            teacher = guide[:, :width][keep].float()
            log_s, log_t = F.log_softmax(student / heat, -1), F.log_softmax(teacher / heat, -1)
            kind = self.distill["divergence"]
            if kind == "forward_kl":
                loss = F.kl_div(log_s, log_t, log_target=True, reduction="none").sum(-1)
            elif kind == "reverse_kl":
                loss = F.kl_div(log_t, log_s, log_target=True, reduction="none").sum(-1)
            else:
                middle = torch.logsumexp(torch.stack([log_s, log_t]), 0) - torch.log(torch.tensor(2.0))
                loss = 0.5 * (
                    F.kl_div(middle, log_t, log_target=True, reduction="none").sum(-1)
                    + F.kl_div(middle, log_s, log_target=True, reduction="none").sum(-1)
                )
            loss = loss * heat**2
            hard = self.distill["hard_labels"]
            if hard > 0:
                truth = F.cross_entropy(student, labels[:, 1:][keep], reduction="none")
                loss = (1 - hard) * loss + hard * truth
            count = keep.sum() if num_items_in_batch is None else num_items_in_batch
            loss = loss.sum() / count
            if num_items_in_batch is not None and self.args.average_tokens_across_devices:
                loss = loss * self.accelerator.num_processes
            return (loss, outputs) if return_outputs else loss

    return DistillTrainer


def main():
    config, data = load("train.yaml"), mix.settings()
    objective = config["objective"]
    dtype = getattr(torch, config["model"]["dtype"])
    os.makedirs(config["trainer"]["output_dir"], exist_ok=True)
    tokenizer = load_tokenizer(config["tokenizer"], config["model"]["vocab"])
    torch.manual_seed(config["trainer"]["seed"])
    # TRL imports a trainer's modules when it is asked for.
    getattr(trl, {"dpo": "DPOTrainer", "grpo": "GRPOTrainer"}.get(objective["kind"], "SFTTrainer"))
    before = high_water()
    model = load_model(config["model"], dtype)
    freeze(model, config["model"].get("freeze", []))
    peft = None
    if config.get("adapter"):
        from peft import LoraConfig

        peft = LoraConfig(**config["adapter"])
    size = config["context_length"]
    kind = objective["kind"]
    callbacks = [Metrics(os.path.join(config["output"], "metrics.jsonl"), config["tokens_per_step"], before)]
    os.makedirs(config["output"], exist_ok=True)
    settings = dict(config["trainer"])
    # llmp run --steps: stops early, on the learning rate of the whole plan.
    settings["max_steps"] = min(settings["max_steps"], int(os.environ.get("LLMP_STEPS", settings["max_steps"])))
    common = {"model": model, "processing_class": tokenizer, "peft_config": peft, "callbacks": callbacks}
    samples = lambda: sample_stream(data, tokenizer)  # noqa: E731
    if kind in ("pretrain", "sft", "distill"):
        from trl import SFTConfig, SFTTrainer

        if "text" in data["datasets"][0]["columns"] or mix.prepared("rows.jsonl") is not None:
            train = IterableDataset.from_generator(lambda: token_stream(data, tokenizer, size))
            settings.update(packing=False, dataset_kwargs={"skip_prepare_dataset": True}, remove_unused_columns=False)
            common["data_collator"] = collate(config["packing"])
        else:
            # Materialised: a planned order, then truncated and (if planned) packed by TRL.
            count = settings["max_steps"] * config["global_batch"]
            train = Dataset.from_list(first(samples(), count))
            settings.update(train_sampling_strategy="sequential", **objective.get("sft", {}))
        if kind == "distill":
            teacher = load_model(config["teacher"], dtype)
            trainer = distill_trainer(SFTTrainer)(
                args=SFTConfig(max_length=size, **settings),
                train_dataset=train,
                teacher=teacher,
                distill=objective["distill"],
                **common,
            )
        else:
            trainer = SFTTrainer(args=SFTConfig(max_length=size, **settings), train_dataset=train, **common)
    elif kind == "dpo":
        from trl import DPOConfig, DPOTrainer

        count = settings["max_steps"] * config["global_batch"]
        pairs = mix.prepared("pairs.jsonl")
        train = Dataset.from_list(first(samples() if pairs is None else pairs, count))

        class Trainer(DPOTrainer):
            def _prepare_dataset(self, dataset, *args, **kwargs):
                return dataset if "prompt_ids" in dataset.column_names else super()._prepare_dataset(dataset, *args, **kwargs)

        reference = None
        if config.get("reference"):
            reference = load_model(config["reference"], dtype)
        args = DPOConfig(max_length=size, train_sampling_strategy="sequential", **settings, **objective["dpo"])
        trainer = Trainer(ref_model=reference, args=args, train_dataset=train, **common)
    elif kind == "grpo":
        from trl import GRPOConfig, GRPOTrainer

        import rewards

        train = Dataset.from_list(first(samples(), settings["max_steps"] * config["prompts_per_step"]))
        functions, weights = rewards.functions()
        args = GRPOConfig(reward_weights=weights, shuffle_dataset=False, **settings, **objective["grpo"])
        trainer = GRPOTrainer(reward_funcs=functions, args=args, train_dataset=train, **common)
    else:
        raise SystemExit(f"unknown objective {kind}")
    if config["evaluate"] and any(d["holdout"] > 0 for d in data["datasets"]) and kind in ("pretrain", "sft"):
        held = [sample for _, sample in mix.evaluation(data)]
        if "text" in data["datasets"][0]["columns"]:
            ids = [tokenizer(mix.text_of(s), add_special_tokens=False, truncation=True, max_length=size)["input_ids"] for s in held]
            trainer.eval_dataset = Dataset.from_list([{"input_ids": i[:-1], "labels": i[1:], "position_ids": list(range(len(i) - 1))} for i in ids if len(i) > 1])
            trainer.args.per_device_eval_batch_size = 1
        else:
            trainer.eval_dataset = trainer._prepare_dataset(
                Dataset.from_list(held), tokenizer, trainer.args, False, None, "eval"
            )
        trainer.args.eval_strategy, trainer.args.eval_steps = "steps", config["evaluate"]
    def create_scheduler(num_training_steps, optimizer=None):
        trainer.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(
            trainer.optimizer if optimizer is None else optimizer, learning_rate(config["schedule"])
        )
        trainer._created_lr_scheduler = True
        return trainer.lr_scheduler

    trainer.create_scheduler = create_scheduler
    plugin = getattr(trainer.accelerator.state, "fsdp_plugin", None)
    if plugin is not None and plugin.mixed_precision_policy is not None and config.get("reduce"):
        # accelerate would reduce gradients in the compute type.
        policy = plugin.mixed_precision_policy
        plugin.mixed_precision_policy = dataclasses.replace(policy, reduce_dtype=getattr(torch, config["reduce"]))
    if peft is not None:
        start_adapter(trainer.model)
    if "--dry-run" in sys.argv:
        print("configuration loaded")
        return
    last = None
    if config["resume"]:
        STOP.listen()
    if config["resume"] and os.path.isdir(settings["output_dir"]):
        last = last_checkpoint(settings["output_dir"])
    if last is not None and plugin is None and int(last.rsplit("-", 1)[1]) >= settings["max_steps"]:
        # Only the last save was cut off; transformers would take one step more.
        trainer._load_from_checkpoint(last)
    else:
        trainer.train(resume_from_checkpoint=last)
    if STOP.agreed and trainer.state.global_step < settings["max_steps"]:
        print(f"llmp: stopped and saved at step {trainer.state.global_step}")
        # Not done: whoever started it must not take it for finished.
        sys.exit(143)
    if plugin is not None:
        plugin.set_state_dict_type("FULL_STATE_DICT")
    if config["merge"]:
        # A later stage starts from whole weights; the adapter itself lies beside them.
        trainer.save_model(os.path.join(config["output"], "adapter"))
        trainer.model.merge_and_unload().save_pretrained(config["output"])
    else:
        trainer.save_model(config["output"])
    if trainer.accelerator.is_main_process:
        tokenizer.save_pretrained(config["output"])


if __name__ == "__main__":
    main()
`;

/** A tokenizer whose tokens are the 256 bytes (and specials above), as a `transformers` fast tokenizer. */
export const byteTokenizerPy = String.raw`"""Bytes as tokens: id = byte; 256 is the end of a document where the vocabulary has room. Written by llmp."""
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast


def _alphabet():
    """The byte-to-unicode table of GPT-2: printable bytes stand for themselves, the others move above 255."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table, above = {b: chr(b) for b in kept}, 0
    for byte in range(256):
        if byte not in table:
            table[byte] = chr(256 + above)
            above += 1
    return table


def byte_tokenizer(vocab):
    table = _alphabet()
    entries = {table[byte]: byte for byte in range(256)}
    core = Tokenizer(models.BPE(vocab=entries, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    core.decoder = decoders.ByteLevel()
    if vocab > 256:
        core.add_special_tokens(["<|end|>"])
        return PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<|end|>", pad_token="<|end|>")
    return PreTrainedTokenizerFast(tokenizer_object=core, pad_token=table[0])
`;

/** Rewards of GRPO, read from rewards.json; nothing of the user's text becomes Python source. */
export const rewardsPy = String.raw`"""Verifiable rewards. Written by llmp; reads rewards.json beside it."""
import json
import os
import re
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))


def _text(completion):
    return completion if isinstance(completion, str) else completion[-1]["content"]


def final_answer(text):
    """What stands in <answer>, the last \boxed{}, or after the last ####; else the whole text after its thoughts."""
    after = text.rsplit("</think>", 1)[-1]
    at = after.rfind("<answer>")
    if at >= 0:
        end = after.find("</answer>", at)
        return after[at + 8 : None if end < 0 else end].strip()
    box = after.rfind("\\boxed{")
    if box >= 0:
        depth = 1
        for i in range(box + 7, len(after)):
            depth += {"{": 1, "}": -1}.get(after[i], 0)
            if depth == 0:
                return after[box + 7 : i].strip()
    return after.rsplit("####", 1)[-1].strip()


def _number(text):
    plain = re.sub(r"(\d),(?=\d{3}\b)", r"\1", re.sub(r"%$", "", re.sub(r"^\$", "", text)))
    fraction = re.fullmatch(r"(-?\d+)\s*/\s*(\d+)", plain)
    if fraction:
        return float(fraction[1]) / float(fraction[2]) if int(fraction[2]) else None
    return float(plain) if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", plain, re.I) else None


def same_answer(a, b):
    a, b = (re.sub(r"\s+", " ", re.sub(r"\.$", "", str(t).strip())).lower() for t in (a, b))
    x, y = _number(a), _number(b)
    if x is not None and y is not None:
        return abs(x - y) <= 1e-9 * max(1, abs(x), abs(y))
    return a == b


def _make(reward):
    kind = reward["kind"]
    if kind == "exact_answer":
        def score(completions, answer=None, **_):
            return [1.0 if same_answer(final_answer(_text(c)), final_answer(str(a))) else 0.0 for c, a in zip(completions, answer)]
    elif kind == "regex":
        pattern = re.compile(reward["pattern"], re.S)

        def score(completions, **_):
            return [1.0 if pattern.search(_text(c)) else 0.0 for c in completions]
    elif kind == "length":
        def score(completions, completion_ids=None, **_):
            # 1 up to 80% of the longest completion, then a line down to 0 (DAPO's soft overlong punishment).
            longest = reward["max_completion"]
            return [max(0.0, 1.0 - max(0.0, (len(ids) / longest - 0.8) / 0.2)) for ids in completion_ids]
    elif kind == "command":
        def score(completions, prompts=None, answer=None, **_):
            out = []
            for i, completion in enumerate(completions):
                ask = {"completion": _text(completion), "prompt": prompts[i] if prompts else None, "answer": answer[i] if answer else None}
                try:
                    done = subprocess.run(
                        reward["command"], input=json.dumps(ask), capture_output=True, text=True, timeout=reward["timeout"]
                    )
                    last = done.stdout.strip().split("\n")[-1]
                    out.append(float(last) if done.returncode == 0 else 0.0)
                except (subprocess.TimeoutExpired, ValueError):
                    out.append(0.0)
            return out
    else:
        raise SystemExit(f"unknown reward {kind}")
    score.__name__ = reward["name"]
    return score


def functions():
    with open(os.path.join(HERE, "rewards.json"), encoding="utf-8") as file:
        rewards = json.load(file)
    return [_make(r) for r in rewards], [float(r["weight"]) for r in rewards]
`;
