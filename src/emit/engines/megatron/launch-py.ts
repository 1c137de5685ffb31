export const launchPy = String.raw`"""Runs Megatron-LM with the arguments of a YAML file. Written by llmp.

    torchrun … launch.py args/phase-0.yaml     one phase of training
    python launch.py --prepare N               prepared/phase-N_text_document.{bin,idx} from data/
    python launch.py --convert model converted Hugging Face weights to Megatron's form (Megatron-Bridge)
"""
import os
import runpy
import subprocess
import sys

import yaml

VERSION = "core_v0.16.1"
ROOT = os.environ.get("MEGATRON_LM") or ("/opt/megatron-lm" if os.path.isdir("/opt/megatron-lm") else "megatron-lm")


def arguments(path):
    with open(path, encoding="utf-8") as file:
        settings = yaml.safe_load(file)
    line = []
    for name, value in settings.items():
        flag = "--" + name.replace("_", "-")
        if value is True:
            line.append(flag)
        elif value is False or value is None:
            continue
        elif isinstance(value, list):
            line += [flag, *map(str, value)]
        else:
            line += [flag, str(value)]
    return line


def prepare(count):
    if not os.path.exists(os.path.join(ROOT, "pretrain_gpt.py")):
        # The container has none: the version that the arguments are for.
        source = "https://github.com/NVIDIA/Megatron-LM"
        subprocess.run(["git", "clone", "--quiet", "--depth", "1", "--branch", VERSION, source, ROOT], check=True)
    if os.path.exists("prepared/done"):
        return
    if os.path.exists("data/phase-0_text_document.idx"):
        # llmp data build wrote them.
        os.makedirs("prepared", exist_ok=True)
        for phase in range(count):
            for end in ("bin", "idx"):
                name = f"phase-{phase}_text_document.{end}"
                os.symlink(os.path.abspath(os.path.join("data", name)), os.path.join("prepared", name))
        return open("prepared/done", "w").close()
    subprocess.run([sys.executable, "prepare.py", "prepared"], check=True)
    for phase in range(count):
        subprocess.run(
            [
                sys.executable, os.path.join(ROOT, "tools", "preprocess_data.py"),
                "--input", f"prepared/phase-{phase}.jsonl", "--output-prefix", f"prepared/phase-{phase}",
                "--tokenizer-type", "HuggingFaceTokenizer", "--tokenizer-model", "tokenizer",
                "--append-eod", "--workers", str(os.cpu_count() or 1),
            ],
            check=True,
        )
    open("prepared/done", "w").close()


def convert(source, target):
    if os.path.exists(os.path.join(target, "latest_checkpointed_iteration.txt")):
        return
    from megatron.bridge import AutoBridge

    AutoBridge.import_ckpt(hf_model_id=source, megatron_path=target)


def main(argv):
    if argv[:1] == ["--prepare"]:
        return prepare(int(argv[1]))
    if argv[:1] == ["--convert"]:
        return convert(argv[1], argv[2])
    line = arguments(argv[0])
    if argv[1:] == ["--print"]:
        print("\n".join(line))
        return None
    script = os.path.join(ROOT, "pretrain_gpt.py")
    if not os.path.exists(script):
        raise SystemExit(f"llmp: {script} is missing: set MEGATRON_LM to a checkout of Megatron-LM {VERSION}")
    sys.path.insert(0, ROOT)
    sys.argv = [script, *line]
    return runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
`;
