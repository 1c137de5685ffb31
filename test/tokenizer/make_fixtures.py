"""Makes the small tokenizers of this folder and the ids that Python's `tokenizers` gives. Run: python make_fixtures.py"""
import json, pathlib, re
from tokenizers import Tokenizer, models, pre_tokenizers, decoders, trainers, normalizers, Regex
from jinja2.sandbox import ImmutableSandboxedEnvironment

here = pathlib.Path(__file__).parent / "fixtures"
corpus = [
    "First Citizen: Before we proceed any further, hear me speak.",
    "All: Speak, speak. You are all resolved rather to die than to famish?",
    "def add(a, b):\n    return a + b\n", "1234567890 + 42 = 1234567932", "naïve café, Zürich – 東京 ありがとう 🙂",
    "the the the thing that they think this is there then",
] * 4
texts = [
    "", " ", "Hello, world!", "  leading and trailing  ", "tabs\tand\nnew\r\nlines\n\n\n", "don't can't we'll I'M",
    "1234567 12 3", "naïve café Zürich", "東京タワー", "🙂🙃👩‍👩‍👧", "def f(x):\n\treturn x**2  # ok", "<|endoftext|>a<|im_start|>user",
    "a<s>b</s>", "e\u0301 vs \u00e9", "\u0000\u0001\u200b\ufeff", "ALL CAPS", "x" * 50, "мир Привет", "نص عربي",
]

def llama3():
    t = Tokenizer(models.BPE(ignore_merges=True))
    t.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(corpus, trainers.BpeTrainer(vocab_size=400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"]))
    return t

def gpt2():
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(corpus, trainers.BpeTrainer(vocab_size=350, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=["<|endoftext|>"]))
    return t

def llama2():
    t = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    t.train_from_iterator([c for c in corpus], trainers.BpeTrainer(vocab_size=560, special_tokens=["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]))
    j = json.loads(t.to_str())
    j["added_tokens"] = [a for a in j["added_tokens"] if not a["content"].startswith("<0x")]
    return Tokenizer.from_str(json.dumps(j))

for name, make in dict(llama3=llama3, gpt2=gpt2, llama2=llama2).items():
    t = make()
    (here / f"{name}.json").write_text(json.dumps(json.loads(t.to_str()), ensure_ascii=False, separators=(",", ":")))
    cases = []
    for text in texts:
        ids = t.encode(text, add_special_tokens=False).ids
        cases.append(dict(text=text, ids=ids, decoded=t.decode(ids, skip_special_tokens=False)))
    (here / f"{name}.expected.json").write_text(json.dumps(cases, ensure_ascii=True, indent=0))

# What `transformers` renders (apply_chat_template: a sandboxed Jinja environment with these two options).
env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
templates = json.loads((here / "chat_templates.json").read_text())
conversations = [
    [dict(role="user", content="Hi")],
    [dict(role="system", content="Be brief."), dict(role="user", content="1+1?"), dict(role="assistant", content="2"),
     dict(role="user", content="2+2?"), dict(role="assistant", content=" 4 ")],
]
out = []
for name, source in templates.items():
    for messages in conversations:
        for gen in (False, True):
            text = env.from_string(source).render(messages=messages, add_generation_prompt=gen, bos_token="<s>", eos_token="</s>", tools=None)
            out.append(dict(template=name, messages=messages, generationPrompt=gen, text=text))
(here / "chat.expected.json").write_text(json.dumps(out, indent=1))
