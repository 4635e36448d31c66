"""Writes the books of the demo, unwrapped and without underscores, as the demo model read them.

usage: prepare.py BOOKS OUT
BOOKS holds chilit/, fairy-tales/ and oz/ (each with books.tsv and text/). OUT/train and OUT/held-out receive one .txt per book;
OUT/demo/train and OUT/demo/held-out the selection that is kept beside the demo.
"""

import csv
import re
import sys
from pathlib import Path

# Held out of the model's training, so held out of every dictionary's as well.
HELD_OUT = {"1920_glinda-of-oz.txt", "alice.txt", "girls.txt", "rabbit.txt", "the-lilac-fairy-book.txt", "woodmagic.txt"}
KEPT_TRAIN = {
    "1900_the-wonderful-wizard-of-oz.txt", "willows.txt", "jungle.txt", "railway.txt", "secret.txt", "treasure.txt", "just-so-stories.txt",
}
KEPT_HELD_OUT = {"1920_glinda-of-oz.txt", "alice.txt", "girls.txt", "rabbit.txt"}


def unwrap(text):
    text = text.replace("\r", "").replace("_", "")
    paragraphs = (re.sub(r"\s+", " ", p).strip() for p in re.split(r"\n\s*\n+", text))
    return "\n".join(p for p in paragraphs if p) + "\n"


def books(base):
    for folder in ("chilit", "fairy-tales", "oz"):
        with open(base / folder / "books.tsv", encoding="utf-8") as table:
            for row in csv.DictReader(table, delimiter="\t"):
                # The last column of fairy-tales marks what is still in copyright in life + 70 countries.
                if folder == "fairy-tales" and list(row.values())[-1] == "yes":
                    continue
                yield base / folder / "text" / row["file"]


def main(base, out):
    for path in books(base):
        text = unwrap(path.read_text(encoding="utf-8", errors="replace"))
        part = "held-out" if path.name in HELD_OUT else "train"
        targets = [out / part]
        if path.name in KEPT_TRAIN | KEPT_HELD_OUT:
            targets.append(out / "demo" / part)
        for target in targets:
            target.mkdir(parents=True, exist_ok=True)
            (target / path.name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
