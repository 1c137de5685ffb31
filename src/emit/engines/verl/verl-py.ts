export const promptsPy = String.raw`"""prepared/train.parquet: prompts in the planned order, in verl's columns. Written by llmp."""
import os
import sys

import mix
import pyarrow
import pyarrow.parquet


def main(count):
    os.makedirs("prepared", exist_ok=True)
    stream = mix.order(mix.settings(), lambda sample: len(mix.text_of(sample)) // 4 + 1)
    rows = []
    for index in range(count):
        name, sample = next(stream)
        prompt = sample["prompt"]
        rows.append(
            {
                "data_source": name,
                "prompt": prompt if isinstance(prompt, list) else [{"role": "user", "content": prompt}],
                "reward_model": {"style": "rule", "ground_truth": str(sample.get("answer", ""))},
                "extra_info": {"index": index},
            }
        )
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), "prepared/train.parquet")


if __name__ == "__main__":
    main(int(sys.argv[1]))
`;

export const verlRewardPy = String.raw`"""The planned rewards as verl's compute_score. Written by llmp."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import rewards  # noqa: E402

FUNCTIONS, WEIGHTS = rewards.functions()


def compute_score(data_source, solution_str, ground_truth, extra_info=None):
    total = 0.0
    for function, weight in zip(FUNCTIONS, WEIGHTS):
        total += weight * function([solution_str], answer=[ground_truth])[0]
    return total
`;
