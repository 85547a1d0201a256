"""Markdown pages as tests see them: blocks of code, with what is to be done with each, and links."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]

_FENCE = re.compile(r"^( *)(`{3,})(\w*)$")
_MARK = re.compile(r"^<!-- (?P<kind>[a-z ]+?)(: (?P<value>.+))? -->$")
_HEADING = re.compile(r"^#+ (.+)$")
_LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
_MARKS = {"file", "merge", "picture", "not run", "run by", "status"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A block of code.

    A comment on the line above says what a test cannot know: ``<!-- file: NAME -->``, the block is that file;
    ``<!-- merge: NAME -->``, it goes over that JSON file; ``<!-- picture -->``, it is nothing to run;
    ``<!-- status: N -->``, its last command ends so; ``<!-- run by: FILE -->``, that test runs it, by `blocks_to_run`;
    ``<!-- not run: REASON -->``.
    """

    page: str
    heading: str
    """Of the section that it stands in."""
    line: int
    language: str
    """Empty where the block is indented."""
    text: str
    mark: str
    """Kind of the comment above; empty if there is none."""
    value: str

    def __str__(self) -> str:
        """Where it stands; a test is called so."""
        return f"{self.page}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    """Every block of code of a page, fenced or indented."""
    lines = page.read_text(encoding="utf-8").splitlines()
    heading = ""
    number = 0
    while number < len(lines):
        start = number
        fence = _FENCE.match(lines[number])
        if fence:
            end = lines.index(fence[1] + fence[2], number + 1)
            inside, number = lines[number + 1 : end], end + 1
        elif lines[number].startswith("    ") and _is_apart(lines, number):
            while number < len(lines) and (lines[number].startswith("    ") or not lines[number].strip()):
                number += 1
            inside = lines[start:number]
        else:
            heading = found[1] if (found := _HEADING.match(lines[number])) else heading
            number += 1
            continue
        indent = len(fence[1]) if fence else 4
        mark = _MARK.match(lines[start - 1]) or _MARK.match(lines[start - 2])
        assert mark is None or mark["kind"] in _MARKS, f"{page.name}:{start}: no such mark: {mark['kind']}"
        yield Block(
            page=str(page.relative_to(ROOT)),
            heading=heading,
            line=start + 1,
            language=fence[3] if fence else "",
            text="\n".join(line[indent:] for line in inside).strip("\n") + "\n",
            mark=mark["kind"] if mark else "",
            value=(mark["value"] or "") if mark else "",
        )


def blocks_to_run(page: str, heading: str, *, by: str) -> list[Block]:
    """The blocks in a section of a page that say that the test file `by` runs them. There is at least one."""
    name = str(Path(by).resolve().relative_to(ROOT))
    found = [
        block for block in blocks(ROOT / page) if (block.heading, block.mark, block.value) == (heading, "run by", name)
    ]
    assert found, f"{page} has no block below {heading!r} that says that {name} runs it"
    return found


def blocks_taken(file: Path) -> set[tuple[str, str]]:
    """Page and heading in each call of `blocks_to_run` that stands in a test file."""
    calls = (node for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.Call))
    return {
        (page, heading)
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id == blocks_to_run.__name__
        for page, heading in [[argument.value for argument in call.args if isinstance(argument, ast.Constant)]]
    }


def links(page: Path) -> Iterator[str]:
    """Where the page's links lead, outside of its code."""
    text = re.sub(r"^( *)```.*?^\1```$|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    yield from _LINK.findall(text)


def anchors(page: Path) -> set[str]:
    """The names by which links find the page's headings, made as GitHub makes them."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings = [heading[1] for line in text.splitlines() if (heading := _HEADING.match(line))]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _is_apart(lines: list[str], number: int) -> bool:
    """Whether indented lines begin a block: behind an empty line or a mark, and not inside of a list."""
    before = next((line for line in reversed(lines[:number]) if line.strip()), "")
    opens = not lines[number - 1].strip() or _MARK.match(lines[number - 1])
    return bool(opens) and not before.startswith(("- ", "  "))
