"""Writes labelled.jsonl: paragraphs of three books of the demo, labelled by book, with a second attribute: whether someone speaks in them.

python labelled.py [COUNT [FILE [BOOK…]]] makes COUNT (50) of each book and attribute, of other books of assets/demo/text too.
"""

import json
import pathlib
import random
import sys

HERE = pathlib.Path(__file__).parent
TEXT = HERE.parent.parent / "assets" / "demo" / "text"
count = int(sys.argv[1]) if len(sys.argv) > 1 else 50
out = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else HERE / "labelled.jsonl"
books = sys.argv[3:] or ["jungle", "secret", "treasure"]

chance = random.Random(0)
lines = []
for book in books:
    [path] = TEXT.glob(f"*/*{book}.txt")
    found = {"speech": [], "narration": []}
    for paragraph in path.read_text().splitlines():
        words = paragraph.split()
        if len(words) < 15:
            continue
        # Quotation marks would tell the books apart.
        text = " ".join(words[:30]).translate(str.maketrans("“”‘’", '""' + "''"))
        speaks = '"' in text
        found["speech" if speaks else "narration"].append(text)
    for kind, texts in found.items():
        texts = sorted(set(texts))
        assert len(texts) >= count, (book, kind, len(texts))
        lines += [{"text": text, "label": book, "spurious": kind} for text in chance.sample(texts, count)]
chance.shuffle(lines)
out.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
print(len(lines), "lines,", out.stat().st_size, "bytes")
