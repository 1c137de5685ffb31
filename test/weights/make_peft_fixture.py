"""A LoRA adapter made by `peft` on the tiny Llama 2, with the logits before and after merging. Run: python make_peft_fixture.py"""
import json, pathlib, shutil
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

here = pathlib.Path(__file__).parent / "fixtures"
base = AutoModelForCausalLM.from_pretrained(here / "llama2", attn_implementation="eager")
torch.manual_seed(7)
model = get_peft_model(base, LoraConfig(r=2, lora_alpha=6, lora_dropout=0.05, target_modules=["q_proj", "down_proj"], task_type="CAUSAL_LM"))
with torch.no_grad():
    for name, p in model.named_parameters():
        if "lora_" in name:
            p.copy_(torch.randn_like(p) * 0.2)
model.eval()
out = here / "llama2_lora"
shutil.rmtree(out, ignore_errors=True)
model.save_pretrained(out)
(out / "README.md").unlink(missing_ok=True)
config = json.loads((out / "adapter_config.json").read_text())
config["base_model_name_or_path"] = "llama2"
(out / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True))
merged = model.merge_and_unload()
state = {k: v for k, v in merged.state_dict().items() if "layers.0" in k and ("q_proj" in k or "down_proj" in k)}
(out / "merged.json").write_text(json.dumps({k: [float(f"{x:.7g}") for x in v.flatten().tolist()] for k, v in state.items()}))
