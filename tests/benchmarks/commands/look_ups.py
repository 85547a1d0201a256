"""Asks a store for batches of the leads that it knows, and prints what one lead took, in seconds."""

from __future__ import annotations

import random
import sqlite3
import statistics
import sys
import time
from contextlib import closing
from pathlib import Path

from target_leads.store import Store

_BATCHES, _LEADS = 20, 1000
_CHUNK = 1 << 20


def main(path: str) -> None:
    """Median over batches of leads from all over the store, each batch new to it. What the disk takes is left out."""
    with Path(path).open("rb") as file:
        while file.read(_CHUNK):
            pass
    with closing(sqlite3.connect(path)) as database:
        leads = database.execute("SELECT provider, account, base_url, lead_id FROM leads").fetchall()
    random.Random(4711).shuffle(leads)  # noqa: S311 -- the same leads each time
    store = Store(f"sqlite:///{path}", now=time.time)
    store.recall(leads[-1:])
    taken = []
    for start in range(0, min(_BATCHES * _LEADS, len(leads)), _LEADS):
        batch = leads[start : start + _LEADS]
        begin = time.perf_counter()
        if len(store.recall(batch)) != len(batch):
            raise SystemExit("The store does not know all of its leads.")
        taken.append((time.perf_counter() - begin) / len(batch))
    store.close()
    sys.stdout.write(f"{statistics.median(taken)}\n")


if __name__ == "__main__":
    main(sys.argv[1])
