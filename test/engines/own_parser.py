"""Loads an emitted engine configuration by the engine's own parser, without a GPU; prints what it understood as JSON.

    own_parser.py verl TREE CONF             Hydra over verl's own configuration tree; keys that it lacks are an error
    own_parser.py megatron SOURCE ARGS LAUNCH WORLD    Megatron-LM's arguments.py: parsed, validated, made a TransformerConfig
    own_parser.py fast_llm CONFIG            Fast-LLM's trainer configuration
    own_parser.py files FOLDER               YAML by PyYAML, TOML by tomllib, Python by its compiler
    own_parser.py nxd EXAMPLES CONF          keys of NxD Training's own example configurations
"""
import json
import os
import runpy
import sys


def compose(tree, conf, name):
    from hydra import compose, initialize_config_dir

    with initialize_config_dir(os.path.abspath(conf), version_base=None):
        return compose(name, overrides=[f"hydra.searchpath=[file://{os.path.abspath(tree)}]"])


def verl(tree, conf):
    import yaml
    from omegaconf import OmegaConf

    base = compose(tree, tree, "ppo_trainer")
    with open(os.path.join(conf, "stage.yaml"), encoding="utf-8") as file:
        written = yaml.safe_load(file)
    unknown = []

    def walk(mine, theirs, path):
        for key, value in mine.items():
            if not OmegaConf.is_dict(theirs) or key not in OmegaConf.to_container(theirs, throw_on_missing=False):
                unknown.append(".".join([*path, key]))
            elif isinstance(value, dict) and OmegaConf.is_dict(theirs[key]):
                walk(value, theirs[key], [*path, key])

    walk({k: v for k, v in written.items() if k != "defaults"}, base, [])
    config = compose(tree, conf, "stage")
    actor = config.actor_rollout_ref
    return {
        "unknown": unknown,
        "estimator": config.algorithm.adv_estimator,
        "group": actor.rollout.n,
        "strategy": actor.actor.strategy,
        "lr": actor.actor.optim.lr,
        "batch": config.data.train_batch_size,
    }


class Absent:
    """Modules that only training needs are imported as empty ones."""

    names = ("six", "nltk", "tiktoken", "sentencepiece", "wandb", "tensorboard")

    def find_spec(self, name, path=None, target=None):
        from importlib.util import spec_from_loader

        return spec_from_loader(name, self) if name.split(".")[0] in self.names else None

    def create_module(self, spec):
        from unittest.mock import MagicMock

        module = MagicMock()
        module.__path__, module.__spec__ = [], spec
        return module

    def exec_module(self, module):
        pass


def megatron(source, args, launch, world):
    import contextlib

    import torch

    sys.path.insert(0, source)
    sys.meta_path.append(Absent())
    line = runpy.run_path(launch)["arguments"](args)
    sys.argv = ["pretrain_gpt.py", *line]
    os.environ.update(CUDA_DEVICE_MAX_CONNECTIONS="1", WORLD_SIZE=world, RANK="0", LOCAL_RANK="0")

    class Device:
        major, minor, name = 9, 0, "H100"

    # What only a GPU would answer.
    torch.cuda.get_device_capability = lambda *_: (9, 0)
    torch.cuda.get_device_properties = lambda *_: Device
    torch.cuda.device_count = lambda: 8
    with contextlib.redirect_stdout(sys.stderr):
        from megatron.training.arguments import core_transformer_config_from_args, parse_args, validate_args

        parsed = validate_args(parse_args())
        # Transformer Engine is not there.
        parsed.apply_rope_fusion = False
        config = core_transformer_config_from_args(parsed)
    return {
        "data": parsed.data_parallel_size,
        "tensor": config.tensor_model_parallel_size,
        "pipeline": config.pipeline_model_parallel_size,
        "expert": config.expert_model_parallel_size,
        "layers": config.num_layers,
        "fp8": config.fp8,
        "recompute": [config.recompute_granularity, config.recompute_method, config.recompute_num_layers],
        "experts": config.num_moe_experts,
        "iterations": parsed.train_iters,
        "layout": None if config.pipeline_model_parallel_layout is None else str(parsed.pipeline_model_parallel_layout),
    }


def fast_llm(config):
    import yaml

    with open(config, encoding="utf-8") as file:
        written = yaml.safe_load(file)
    import fast_llm.data.auto  # noqa: F401  registers the kinds of datasets
    from fast_llm.engine.training.config import TrainerConfig
    from fast_llm.models.gpt.config import GPTTrainerConfig

    loaded = GPTTrainerConfig.from_dict(written)
    assert isinstance(loaded, TrainerConfig)
    distributed = loaded.model.distributed
    return {
        "iterations": loaded.training.train_iters,
        "tensor": distributed.tensor_parallel,
        "pipeline": distributed.pipeline_parallel,
        "zero": loaded.model.multi_stage.zero_stage,
        "layers": loaded.model.base_model.decoder.num_blocks,
        "hidden": loaded.model.base_model.hidden_size,
    }


def nxd(examples, conf):
    """Keys that no example of NxD Training has. (Its parser needs packages that are on AWS's own index only.)"""
    import glob

    import yaml

    def keys(value, path=""):
        if isinstance(value, dict):
            for key, inner in value.items():
                yield f"{path}{key}"
                yield from keys(inner, f"{path}{key}.")

    known = set()
    for path in glob.glob(os.path.join(examples, "**", "*.yaml"), recursive=True):
        with open(path, encoding="utf-8") as file:
            known.update(keys(yaml.safe_load(file)))
    with open(os.path.join(conf, "stage.yaml"), encoding="utf-8") as file:
        written = yaml.safe_load(file)
    return {"known": len(known), "unknown": sorted(set(keys(written)) - known)}


def files(folder):
    """Every YAML, TOML and Python file below a folder, as Python reads it."""
    import yaml

    read = {}
    for place, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)
            with open(path, encoding="utf-8") as file:
                text = file.read()
            key = os.path.relpath(path, folder)
            if name.endswith((".yaml", ".yml")):
                read[key] = list(yaml.safe_load_all(text))
            elif name.endswith(".toml"):
                import tomllib

                read[key] = tomllib.loads(text)
            elif name.endswith(".py"):
                compile(text, path, "exec")
                read[key] = "python"
    return read


print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))
