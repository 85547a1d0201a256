"""Fuzzes one target, led by which lines of the program it reaches.

    python -m tests.fuzzing message -max_total_time=300

What follows the target's name is libFuzzer's. An input that is a finding is written to a file named ``crash-…``.
"""

from __future__ import annotations

import json
import logging
import random
import re
import sys
import tempfile
from pathlib import Path

import atheris

from tests.fuzzing.hostile import mutated, written

with atheris.instrument_imports(include=["target_leads"]):
    from tests.fuzzing.targets import TARGETS, seeds

_AS_JSON = 0.7
WORDS = [
    *("null", "true", "NaN", "Infinity", "-Infinity", "1e999999", "1E+400", "-0", "0.1", "1" * 400, '"\\ud800"'),
    *('"\\u0000"', '""', "[]", "{}", "[[[[", '{"$ref":"#"}', '{"pattern":"("}', '".."', '"/?#%"', "\ufeff", "\\n"),
    *("_sdc_deleted_at", "$ref", "anyOf", "allOf", "labels", "enum", "const", "items", "type", "format", "properties"),
]


def main() -> None:
    """Fuzz until libFuzzer's arguments say that it is enough, or there is a finding."""
    name, *options = sys.argv[1:]
    logging.disable()  # each run warns of something
    with tempfile.TemporaryDirectory() as place:
        corpus = Path(place) / "corpus"
        corpus.mkdir()
        for number, seed in enumerate(seeds(name)):
            (corpus / str(number)).write_bytes(seed)
        words = Path(place) / "words"
        words.write_text("".join(f'"{_escaped(word)}"\n' for word in WORDS))
        arguments = [sys.argv[0], f"-dict={words}", "-max_len=20000", "-timeout=20", "-rss_limit_mb=1500", *options]
        atheris.Setup([*arguments, str(corpus)], TARGETS[name], custom_mutator=_mutated)
        atheris.Fuzz()


def _mutated(data: bytes, longest: int, seed: int) -> bytes:
    """Change bytes, or, as most such changes leave no JSON, one of the JSON texts in the input as JSON."""
    of = random.Random(seed)  # noqa: S311 -- libFuzzer's own seed
    parts = re.split(rb"(\0|\n)", data)
    places = [index for index, part in enumerate(parts) if part.startswith((b"{", b"["))]
    if places and of.random() < _AS_JSON:
        place = of.choice(places)
        try:
            parts[place] = written(mutated(json.loads(parts[place]), of))
        except (ValueError, RecursionError):
            pass
        else:
            return b"".join(parts)[:longest]
    return bytes(atheris.Mutate(data, longest))


def _escaped(word: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word.encode())


if __name__ == "__main__":
    main()
