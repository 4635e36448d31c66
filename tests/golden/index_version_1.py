"""Cuts `tests/golden/index/version-1.sqlite` out of an index that was written in version 1 of the form: its first 8 features, and the texts of the
tokens that these name. Run once, with the index of the demo's attn-0 as it was then; what the test compares is printed by a decoder of its own.

    python3 index_version_1.py OLD.sqlite index/version-1.sqlite
"""

import os
import sqlite3
import struct
import sys
import zlib

FEATURES = 8


class Reader:
    def __init__(self, packed):
        self.bytes, self.at = zlib.decompress(packed), 0

    def number(self, form):
        value = struct.unpack_from(form, self.bytes, self.at)[0]
        self.at += struct.calcsize(form)
        return value

    def int(self):
        value = shift = 0
        while True:
            byte = self.bytes[self.at]
            self.at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def list(self, item):
        return [item() for _ in range(self.int())]


def detail(packed):
    r = Reader(packed)
    of = {"width": r.number("<d"), "last": r.number("<d"), "counts": r.list(r.int)}
    levels = r.list(lambda: (r.int(), r.int()))
    of["promoted"] = r.list(lambda: (r.int(), r.number("<f")))
    of["suppressed"] = r.list(lambda: (r.int(), r.number("<f")))
    r.list(lambda: r.number("<f"))
    of["top"] = r.int()
    examples = of["top"] + sum(n for _, n in levels)
    headers = [(r.int(), r.int(), r.int(), r.number("<f")) for _ in range(examples)]
    of["ranks"] = [[r.int() for _ in range(window)] for _, _, window, _ in headers]
    of["acts"] = [[r.int() / 65535 * peak for _ in range(window)] for _, _, window, peak in headers]
    of["at"] = [at for _, at, _, _ in headers]
    of["document"] = [document for document, *_ in headers]
    return of


def main(old, new):
    source = sqlite3.connect(f"file:{os.path.abspath(old)}?immutable=1", uri=True)
    assert source.execute("PRAGMA user_version").fetchone() == (1,)
    if os.path.exists(new):
        os.remove(new)
    into = sqlite3.connect(new)
    into.execute("PRAGMA page_size = 4096")
    for (sql,) in source.execute("SELECT sql FROM sqlite_master WHERE name NOT LIKE 'word_%'").fetchall():
        into.execute(sql)
    details = {f: packed for f, packed in source.execute("SELECT feature, packed FROM detail WHERE feature < ?", [FEATURES])}
    used = set()
    for packed in details.values():
        of = detail(packed)
        used |= {rank for window in of["ranks"] for rank in window}
        used |= {rank for rank, _ in of["promoted"] + of["suppressed"]}
    for table in ("about", "feature", "document", "token"):
        rows = source.execute(f"SELECT * FROM {table}").fetchall()
        if table == "about":
            rows = [(key, str(FEATURES) if key == "features" else value) for key, value in rows]
        if table == "feature":
            rows = rows[:FEATURES]
        if table == "token":
            rows = [(rank, token, text if rank in used else "") for rank, token, text in rows]
        into.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)
    into.executemany("INSERT INTO detail VALUES (?, ?)", details.items())
    into.execute(f"PRAGMA application_id = {source.execute('PRAGMA application_id').fetchone()[0]}")
    into.execute("PRAGMA user_version = 1")
    into.commit()
    into.execute("VACUUM")
    into.close()
    token = dict((rank, (token, text)) for rank, token, text in source.execute("SELECT rank, id, text FROM token"))
    of = detail(details[1])
    print(source.execute("SELECT * FROM feature WHERE feature = 1").fetchone())
    print("promoted", [(token[rank], effect) for rank, effect in of["promoted"]][:2])
    print("histogram", of["width"], of["last"], of["counts"])
    print("example", [token[rank] for rank in of["ranks"][0]], of["at"][0], of["acts"][0])


main(*sys.argv[1:])
