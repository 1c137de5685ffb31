"""Small Parquet files and a zstd file as other tools write them. Run: python make_fixtures.py (pyarrow)"""
import json, pathlib
import pyarrow as pa, pyarrow.parquet as pq
here = pathlib.Path(__file__).parent / "fixtures"
rows = [dict(messages=[dict(role="user", content=f"{i}+{i}? é"), dict(role="assistant", content=str(2 * i))], answer=2 * i, text=None if i == 3 else f"text {i}") for i in range(12)]
table = pa.Table.from_pylist(rows)
for codec in ("snappy", "zstd", "gzip", "none"):
    pq.write_table(table, here / f"chat_{codec}.parquet", compression=codec, row_group_size=5)
with pa.output_stream(here / "text.jsonl.zst", compression="zstd") as f:
    f.write("\n".join(json.dumps(dict(text=f"zstd row {i} " + "the same words again " * 20)) for i in range(30)).encode())
