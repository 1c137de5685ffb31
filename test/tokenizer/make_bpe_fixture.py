"""Merges that Python's BpeTrainer makes of the first 200 kB of examples/data/shakespeare.txt. Run: python make_bpe_fixture.py"""
import json, pathlib
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
here = pathlib.Path(__file__).parent
text = (here / "../../examples/data/shakespeare.txt").read_text()[:200_000]
t = Tokenizer(models.BPE())
t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
t.train_from_iterator([text], trainers.BpeTrainer(vocab_size=1024, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>"]))
model = json.loads(t.to_str())["model"]
(here / "fixtures/bpe_trained.json").write_text(json.dumps(model["merges"], ensure_ascii=False, separators=(",", ":")))
