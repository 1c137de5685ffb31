/** Preparation of token files for engines that read their own binary datasets: run once, before training, by entry.sh. */
export const prepareTextPy = String.raw`"""Writes the planned order of each phase as JSONL shards that the engine's own preparation reads. Written by llmp."""
import json
import os
import sys

import mix


def main(out):
    config = mix.settings()
    if config["unit"] == "tokens":
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(os.path.join("tokenizer", "tokenizer.json"))
        length = lambda sample: len(tokenizer.encode(mix.text_of(sample), add_special_tokens=False).ids)  # noqa: E731
    else:
        length = lambda sample: 1  # noqa: E731
    bounds = [phase["from"] * config["total"] for phase in config["phases"][1:]] + [config["total"]]
    spent, phase = 0.0, 0
    os.makedirs(out, exist_ok=True)
    file = open(os.path.join(out, f"phase-{phase}.jsonl"), "w", encoding="utf-8")
    for _, sample in mix.order(config, length):
        file.write(json.dumps({"text": mix.text_of(sample)}) + "\n")
        spent += length(sample)
        while phase < len(bounds) and spent >= bounds[phase]:
            file.close()
            phase += 1
            if phase == len(bounds):
                return
            file = open(os.path.join(out, f"phase-{phase}.jsonl"), "w", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "prepared")
`;
