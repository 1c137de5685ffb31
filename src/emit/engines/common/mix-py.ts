/** Python that every engine folder with raw data carries: reads datasets, mixes them in the planned order. */
export const mixPy = String.raw`"""The planned order of samples. Written by llmp; reads data.json beside it.

Each dataset is a folder of text, JSONL (.gz, .zst) or Parquet files under data/<name>/. At every point the dataset that
lags furthest behind its share (of tokens, or of documents) gives the next sample; shares change at the planned points
of training. What llmp data build -o wrote (data/samples.jsonl, rows.jsonl, pairs.jsonl) is the order instead: exactly
the rows, in exactly the order, that llmp's own runtime would train on.
"""
import glob
import gzip
import io
import json
import os
import random

HERE = os.path.dirname(os.path.abspath(__file__))


def settings():
    with open(os.path.join(HERE, "data.json"), encoding="utf-8") as file:
        return json.load(file)


def _files(root, patterns):
    found = set()
    for pattern in patterns:
        found.update(glob.glob(os.path.join(root, pattern), recursive=True))
    files = sorted(path for path in found if os.path.isfile(path))
    if not files:
        raise SystemExit(f"no files match {patterns} under {root}")
    return files


def _lines(path):
    if path.endswith(".zst"):
        import zstandard

        raw = zstandard.ZstdDecompressor().stream_reader(open(path, "rb"))
        return io.TextIOWrapper(raw, encoding="utf-8")
    if path.endswith(".gz"):
        return gzip.open(path, "rt", encoding="utf-8")
    return open(path, encoding="utf-8")


def _records(path):
    name = path.removesuffix(".gz").removesuffix(".zst")
    if name.endswith(".parquet"):
        import pyarrow.parquet

        for batch in pyarrow.parquet.ParquetFile(path).iter_batches(batch_size=256):
            yield from batch.to_pylist()
    elif name.endswith((".jsonl", ".ndjson")):
        with _lines(path) as file:
            for line in file:
                if line.strip():
                    yield json.loads(line)
    elif name.endswith(".json"):
        with _lines(path) as file:
            yield from json.load(file)
    else:
        with _lines(path) as file:
            yield {"text": file.read()}


def prepared(name, root="data"):
    """The lines of a file that llmp data build wrote, for ever; None where there is none."""
    path = os.path.join(root, name)
    if not os.path.exists(path):
        return None

    def lines():
        while True:
            with open(path, encoding="utf-8") as file:
                for line in file:
                    yield json.loads(line)

    return lines()


def held_out(index, share):
    """Every 1/share-th sample, counted in the order of the files, is kept for evaluation."""
    return int((index + 1) * share) > int(index * share)


def documents(dataset, seed, root="data", window=1000, split="train"):
    """Endless samples of one dataset: files shuffled, samples shuffled in a window, again from the start at the end."""
    folder = os.path.join(root, dataset["name"])
    files = _files(folder, dataset["patterns"])
    epoch = 0
    while True:
        rng = random.Random(f"{seed}/{dataset['name']}/{epoch}")
        order = list(files)
        rng.shuffle(order)
        held = []
        empty = True
        for path in order:
            for index, record in enumerate(_records(path)):
                if held_out(index, dataset["holdout"]) != (split == "evaluate"):
                    continue
                empty = False
                if len(held) < window:
                    held.append(record)
                    continue
                at = rng.randrange(window)
                yield shape(dataset, held[at])
                held[at] = record
        if empty:
            raise SystemExit(f"dataset {dataset['name']} has no samples")
        rng.shuffle(held)
        for record in held:
            yield shape(dataset, record)
        epoch += 1


def shape(dataset, record):
    """The columns that the objective reads, renamed to the engine's names."""
    columns = dataset["columns"]
    try:
        sample = {name: record[column] for name, column in columns.items() if column in record or name != "answer"}
    except KeyError as missing:
        raise SystemExit(f"dataset {dataset['name']}: a sample has no column {missing}; it has {sorted(record)}")
    return sample


def text_of(sample):
    if "text" in sample:
        return sample["text"]
    return json.dumps(sample, ensure_ascii=False)


def order(config, length, root="data"):
    """(dataset name, sample) for ever. length(sample) is what a share counts: tokens, or 1 for documents."""
    ready = prepared("samples.jsonl", root)
    if ready is not None:
        for sample in ready:
            yield sample.pop("dataset", ""), sample
    sources = {d["name"]: documents(d, config["seed"], root) for d in config["datasets"]}
    given = {name: 0.0 for name in sources}
    total = float(config["total"])
    spent = 0.0
    start = 0.0
    phase = -1
    phases = config["phases"]
    while True:
        while phase + 1 < len(phases) and spent >= phases[phase + 1]["from"] * total:
            phase += 1
            start = spent
            given = {name: 0.0 for name in sources}
        weights = phases[phase]["weights"]
        done = spent - start
        name = max(weights, key=lambda n: (weights[n] * (done + 1.0) - given[n], n))
        sample = next(sources[name])
        size = length(sample)
        given[name] += size
        spent += size
        yield name, sample


def evaluation(config, root="data"):
    """Samples for evaluation, in order, the same number from each dataset that holds some out; once."""
    count = config["evaluate"]
    for dataset in config["datasets"]:
        if dataset["holdout"] > 0:
            source = documents(dataset, config["seed"], root, window=1, split="evaluate")
            for _ in range(count):
                yield dataset["name"], next(source)


def packed(config, tokenize, size, eos, root="data"):
    """(tokens, targets, positions) of size each. A target is the next token; -100 where that one starts a document.

    eos ends each document; positions start again with each. data/rows.jsonl gives ready rows.
    """
    ready = prepared("rows.jsonl", root)
    if ready is not None:
        for row in ready:
            if len(row["tokens"]) != size:
                raise SystemExit(f"llmp: data/rows.jsonl has rows of {len(row['tokens'])} tokens, the plan has {size}")
            yield row["tokens"], row["targets"], row.get("positions") or list(range(size))
    rest, starts = [], []
    cache = {}

    def length(sample):
        cache["ids"] = tokenize(text_of(sample))
        return len(cache["ids"]) if config["unit"] == "tokens" else 1

    for _, sample in order(config, length, root):
        ids = (cache.pop("ids", None) or tokenize(text_of(sample))) + ([] if eos is None else [eos])
        rest += ids
        starts += [True] + [False] * (len(ids) - 1) if ids else []
        while len(rest) > size:
            positions, count = [], 0
            for begins in starts[:size]:
                count = 0 if begins else count
                positions.append(count)
                count += 1
            apart = config["packing"]
            targets = [-100 if apart and starts[i + 1] else rest[i + 1] for i in range(size)]
            yield rest[:size], targets, positions
            rest, starts = rest[size:], starts[size:]
`;
