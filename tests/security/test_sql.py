"""What comes from outside reaches the database as a bound parameter, and never as SQL."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, func, inspect, select

import target_leads
from target_leads.store.tables import metadata
from tests.security.conftest import settings
from tests.security.test_canary import SCHEMA, answering, lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import Ended
    from tests.security.conftest import Parrot

PACKAGE = Path(target_leads.__file__).parent
SPEAKS_SQL = {
    "execute",
    "exec_driver_sql",
    "executescript",
    "executemany",
    "literal_column",
    "text",
    "scalar",
    "scalars",
}
LIBRARIES = re.compile(r"^\s*(import|from) (sqlalchemy|sqlite3|psycopg)\b", re.MULTILINE)
CONSTANT = re.compile(r"_?[A-Z][A-Z0-9_]*")
HOSTILE = [
    "'; DROP TABLE leads; --",
    '"; DELETE FROM runs; --',
    "' OR '1'='1",
    "x') UNION SELECT key FROM keys --",
    "%",
    "_",
    "%%s %(name)s :name ?",
    "\\",
    "a\nb\tc",
    "{lead_id}",
    "😀 ñ \u202e",
    "../../etc/passwd",
    "L/1?a=b#c%2F",
]


class _Spoken:
    """What of one function is SQL, and whether it is made of nothing but the program's own constants."""

    def __init__(self, function: ast.AST) -> None:
        self._assigned: dict[str, list[ast.expr]] = {}
        for node in ast.walk(function):
            pairs: list[tuple[ast.expr, ast.expr]] = []
            if isinstance(node, ast.Assign):
                pairs = [(target, node.value) for target in node.targets]
            elif isinstance(node, (ast.For, ast.comprehension)):
                pairs = [(node.target, node.iter)]
            for target, value in pairs:
                for name in ast.walk(target):
                    if isinstance(name, ast.Name):
                        self._assigned.setdefault(name.id, []).append(value)

    def is_constant(self, node: ast.expr) -> bool:
        """Whether no part of an expression comes from outside."""
        if isinstance(node, ast.Name) and not CONSTANT.fullmatch(node.id):
            return node.id in self._assigned and all(map(self.is_constant, self._assigned[node.id]))
        if isinstance(node, ast.Subscript):
            return self.is_constant(node.value)
        if isinstance(node, ast.Call):  # such as ", ".join(…)
            return isinstance(node.func, ast.Attribute) and all(map(self.is_constant, [node.func.value, *node.args]))
        if isinstance(node, ast.GeneratorExp):
            return self.is_constant(node.elt)
        if isinstance(node, (ast.JoinedStr, ast.BinOp, ast.FormattedValue, ast.Tuple)):
            inner = [each for each in ast.iter_child_nodes(node) if isinstance(each, ast.expr)]
            return all(map(self.is_constant, inner))
        return isinstance(node, ast.Constant) or (isinstance(node, ast.Name) and bool(CONSTANT.fullmatch(node.id)))


def spoken(source: str) -> Iterator[tuple[int, bool]]:
    """Every text that is given to a database as SQL: its line, and whether it is made of constants."""
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        of_function = _Spoken(function)
        for call in ast.walk(function):
            if not isinstance(call, ast.Call) or not call.args:
                continue
            name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            if name not in SPEAKS_SQL:
                continue
            is_text = name in {"text", "literal_column", "exec_driver_sql", "executescript", "executemany"}
            first = call.args[0]
            if is_text or isinstance(first, (ast.Constant, ast.JoinedStr, ast.BinOp)):
                yield call.lineno, of_function.is_constant(first)


def test_sql_is_made_of_constants() -> None:
    """No text that is given to a database as SQL holds anything but the program's own constants."""
    told = {
        f"{path.relative_to(PACKAGE)}:{line}": constant
        for path in sorted((PACKAGE / "store").rglob("*.py"))
        for line, constant in spoken(path.read_text())
    }
    assert [place for place, constant in told.items() if not constant] == []
    assert len(told) > 10
    others = [path for path in PACKAGE.rglob("*.py") if path.parent.name != "store"]
    assert [path.name for path in others if LIBRARIES.search(path.read_text())] == []


@pytest.mark.parametrize(
    ("statement", "constant"),
    [
        ("connection.exec_driver_sql('SELECT 1')", True),
        ("connection.exec_driver_sql(f'SET lock_timeout = {SECONDS}')", True),
        ("connection.exec_driver_sql(f'SELECT {name}')", False),
        ("connection.exec_driver_sql('SELECT ' + name)", False),
        ("connection.exec_driver_sql('SELECT %s' % name)", False),
        ("connection.exec_driver_sql('SELECT {}'.format(name))", False),
        ("connection.exec_driver_sql(name)", False),
        ("query = f'SELECT {name}'; connection.exec_driver_sql(query)", False),
        ("query = 'SELECT 1'; connection.exec_driver_sql(query)", True),
        ("connection.scalar(text(name))", False),
        ("cursor.execute(f'SELECT {name}')", False),
        ("cursor.execute('SELECT ' + ', '.join(names))", False),
        ("cursor.execute('SELECT ' + ', '.join(f'{name}' for name in NAMES))", True),
    ],
)
def test_sql_that_is_not_constant_is_found(statement: str, constant: bool) -> None:  # noqa: FBT001 -- a case of a table
    """The test above sees a value in SQL, however it came there."""
    assert [told for _, told in spoken(f"def do(connection, cursor, name, names):\n    {statement}")] == [constant]


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest) -> str:
    """A store of either kind."""
    return "sqlite:///target-leads.db" if request.param == "sqlite" else request.getfixturevalue("postgresql_url")


def counts(store_url: str) -> dict[str, int]:
    """How many rows each table has."""
    engine = create_engine(store_url)
    with engine.connect() as connection:
        there = inspect(connection).get_table_names()
        found = {name: connection.scalar(select(func.count()).select_from(metadata.tables[name])) for name in there}
    engine.dispose()
    return {name: count or 0 for name, count in found.items()}


def test_whatever_words_come_in_they_stay_words(
    store_url: str, parrot: Parrot, command: Callable[..., Ended], tmp_path: Path
) -> None:
    """Ids, fields, streams and filters that look like SQL are found as what they are, and do nothing else."""
    parrot.answer = answering(b"422 No")
    config: dict[str, Any] = settings(parrot.url, store_url=store_url)
    (tmp_path / "config.json").write_text(json.dumps(config))
    records = [
        {"type": "RECORD", "stream": words, "record": {"id": words, "email": "ada@example.com", words: words}}
        for words in HOSTILE
    ]
    schemas = [
        {**SCHEMA, "stream": words, "schema": {"properties": {**SCHEMA["schema"]["properties"], words: {}}}}
        for words in HOSTILE
    ]
    (tmp_path / "input").write_bytes(lines(*(each for pair in zip(schemas, records, strict=True) for each in pair)))
    assert command("--config", "config.json", "--input", "input").status == 0
    before = counts(store_url)
    assert before["dead_letters"] == before["outcomes"] == len(HOSTILE)

    def ask(*arguments: str) -> Any:
        ended = command(*arguments, "--config", "config.json", "--format", "json")
        assert "unforeseen" not in ended.stderr, ended.stderr
        return json.loads(ended.stdout) if ended.stdout else None

    for words in HOSTILE:
        assert [letter["lead_id"] for letter in ask("dead-letters", "list", "--stream", words)] == [words]
        assert ask("dead-letters", "list", "--provider", words) == []
        assert len(ask("dead-letters", "list", "--reason", words)) == (len(HOSTILE) if words == "_" else 0)  # BAD_LEAD
        assert {change["stream"] for change in ask("history", words)["changes"]} == {words}
        assert ask("history", "L-1", "--provider", words)["changes"] == []
        assert ask("runs", "show", words) is None
        assert ask("dead-letters", "discard", "--yes", "--because", words, "--provider", words)["discarded"] == 0
        assert ask("dead-letters", "replay", "--stream", words)["rejected"] == 1
    after = counts(store_url)
    assert after.keys() == metadata.tables.keys()
    assert after["dead_letters"] == len(HOSTILE)
    for words in HOSTILE:
        assert ask("dead-letters", "discard", "--yes", "--because", words, "--stream", words)["discarded"] == 1
    assert ask("dead-letters", "list") == []
