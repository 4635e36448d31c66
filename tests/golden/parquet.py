"""Writes tests/golden/parquet with pyarrow: a text column and columns of token ids, in the ways in which data sets on the hub have them.

    pip install pyarrow && python parquet.py
"""

import pathlib

import pyarrow as pa
import pyarrow.parquet as pq

FOLDER = pathlib.Path(__file__).parent / "parquet"
TEXTS = ["The old fox went home.", None, "", "Ein Märchen: “Es war einmal …” 🦊", "last"]
# 0 is the demo's BOS, <|endoftext|>.
ROWS = [[0] + [(7 * row + place) % 500 + 1 for place in range(7)] for row in range(6)]


def write(name, columns, schema, metadata=None, **options):
    schema = schema.with_metadata(metadata or {})
    pq.write_table(pa.table(columns, schema=schema), FOLDER / name, **options)


def main():
    FOLDER.mkdir(exist_ok=True)
    text = pa.schema([("id", pa.int64()), ("text", pa.string()), ("body", pa.large_string())])
    columns = {"id": list(range(5)), "text": TEXTS, "body": [f"body {i}" for i in range(5)]}
    write("text.parquet", columns, text, row_group_size=2, compression="snappy")
    lists = pa.schema([("input_ids", pa.list_(pa.int32())), ("attention_mask", pa.list_(pa.int8()))])
    columns = {"input_ids": ROWS, "attention_mask": [[1] * 8] * 6}
    write("input-ids.parquet", columns, lists, {"tokenizer_name": "demo"}, row_group_size=4, compression="zstd")
    large = pa.schema([("tokens", pa.large_list(pa.field("element", pa.int64(), nullable=False)))])
    ragged = {"tokens": [ROWS[0], None, [], ROWS[1] + [9, 9], ROWS[2][:3], ROWS[3]]}
    write("tokens.parquet", ragged, large, compression="none", use_dictionary=False, data_page_version="2.0")
    wrong = {"input_ids": [ROWS[0], [1, None, 2]], "attention_mask": [[1], [1]]}
    write("null-id.parquet", wrong, lists, compression="snappy")


if __name__ == "__main__":
    main()
