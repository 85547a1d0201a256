"""Finds provider folders. The bundled ones and a user's own go through the same code."""

from __future__ import annotations

import functools
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from target_leads.exceptions import DefinitionError
from target_leads.providers.folder import load_folder
from target_leads.providers.json_files import each

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from importlib.resources.abc import Traversable

    from target_leads.providers.definition import Definition

_PACKAGE = resources.files("target_leads.providers")


@functools.cache
def bundled() -> Mapping[str, Definition]:
    """The providers that come with the package, by name."""
    return load(folder for folder in _PACKAGE.iterdir() if folder.joinpath("provider.json").is_file())


def load_all(provider_paths: Sequence[str]) -> Mapping[str, Definition]:
    """The bundled providers and those in a user's folders, by name.

    Raises:
        DefinitionError: a folder is missing or breaks the rules, or its name is taken.
    """
    definitions, findings = load_right(provider_paths)
    if findings:
        raise DefinitionError(findings)
    return definitions


def load_right(provider_paths: Sequence[str]) -> tuple[Mapping[str, Definition], list[str]]:
    """The same without the folders that are wrong, and what is wrong with those."""
    findings: list[str] = []
    folders = [folder for found in each(folders_at, map(Path, provider_paths), findings) for folder in found]
    own = _by_name(folders, findings)
    findings += (
        f"{own[name].folder}/provider.json: $.name: {name} is a bundled provider. Give it another name."
        for name in sorted(own.keys() & bundled().keys())
    )
    return {**own, **bundled()}, findings


def folders_at(path: Path) -> list[Path]:
    """The provider folder at a path, or those inside it.

    Raises:
        DefinitionError: there is none.
    """
    try:
        folders = [path] if (path / "provider.json").is_file() else sorted(path.glob("*/provider.json"))
    except OSError as error:
        raise DefinitionError([f"provider_paths: {path} cannot be read: {error.strerror}."]) from None
    except ValueError:  # a NUL, which no path can hold
        folders = []
    if not folders:
        raise DefinitionError(
            [f"provider_paths: {path} is no provider folder and holds none: there is no provider.json."]
        )
    return [folder.parent if folder.name == "provider.json" else folder for folder in folders]


def load(folders: Iterable[Traversable]) -> dict[str, Definition]:
    """Read provider folders.

    Raises:
        DefinitionError: a folder breaks a rule, or two describe one provider. It names file and JSON path.
    """
    findings: list[str] = []
    definitions = _by_name(folders, findings)
    if findings:
        raise DefinitionError(findings)
    return definitions


def _by_name(folders: Iterable[Traversable], findings: list[str]) -> dict[str, Definition]:
    definitions: dict[str, Definition] = {}
    for definition in each(load_folder, sorted(folders, key=str), findings):
        if definition.name in definitions:
            other = definitions[definition.name].folder
            finding = f"$.name: the provider {definition.name} is described by {other} already. Give it another name."
            findings.append(f"{definition.folder}/provider.json: {finding}")
        else:
            definitions[definition.name] = definition
    return definitions
