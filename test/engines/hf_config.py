"""Reads {name: config.json} from stdin; builds each with transformers on the meta device; prints {name: what it became}."""
import json, sys
import torch
from transformers import AutoConfig, AutoModelForCausalLM

out = {}
for name, fields in json.load(sys.stdin).items():
    config = AutoConfig.for_model(**fields)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    tensors = {k: list(v.shape) for k, v in model.state_dict().items()}
    tied = set() if not config.tie_word_embeddings else {"lm_head.weight"}
    rotary = getattr(getattr(model, "model", model), "rotary_emb", None)
    out[name] = dict(
        model=type(model).__name__,
        parameters=sum(torch.Size(s).numel() for k, s in tensors.items() if k not in tied),
        rope=getattr(config, "rope_parameters", None),
        layers=getattr(config, "layer_types", None),
        window=getattr(config, "sliding_window", None),
        experts=getattr(config, "num_experts_per_tok", None),
    )
json.dump(out, sys.stdout)
