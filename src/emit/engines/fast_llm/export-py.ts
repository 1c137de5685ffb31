/** Puts what Fast-LLM exported where every stage leaves its weights. */
export const exportPy = String.raw`"""Copies Fast-LLM's last Hugging Face export, with the tokenizer, to output/. Written by llmp."""
import glob
import os
import shutil

exports = glob.glob(os.path.join("checkpoints", "export", "*", "*", "ok"))
if not exports:
    raise SystemExit("llmp: Fast-LLM left no export in checkpoints/export")
last = max((os.path.dirname(path) for path in exports), key=lambda folder: int(os.path.basename(folder)))
for name in sorted(os.listdir(last)):
    if name != "ok":
        shutil.copy(os.path.join(last, name), "output")
for path in glob.glob(os.path.join("tokenizer", "*")):
    if os.path.isfile(path):
        shutil.copy(path, "output")
`;
