"""The settings that a subcommand goes by, and the store that they name."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

import click

from target_leads.config_files import ENVIRONMENT, read_config

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_leads.store import Store


def _with_those_before(
    context: click.Context, _parameter: click.Parameter, config_paths: tuple[str, ...]
) -> tuple[str, ...]:
    """All settings files, those too that stand before the subcommand, where Meltano puts them."""
    before: tuple[str, ...] = context.find_root().params.get("config_paths") or ()
    return (*before, *config_paths)


config_option = click.option(
    "--config",
    "config_paths",
    multiple=True,
    callback=_with_those_before,
    help="Settings: a JSON file, or ENV. Repeatable.",
)


def given_settings(config_paths: tuple[str, ...]) -> dict[str, Any]:
    """What the files and, if asked for, the environment say. It is not checked.

    Raises:
        SettingsError: a file or a variable cannot be read.
    """
    config = read_config(config_paths)
    if ENVIRONMENT in config_paths:
        from target_leads.environment import settings_from_environment  # noqa: PLC0415 -- the SDK takes half a second
        from target_leads.settings import schema  # noqa: PLC0415 -- likewise

        config |= settings_from_environment(schema())
    return config


@contextlib.contextmanager
def opened_store(config_paths: tuple[str, ...]) -> Iterator[Store]:
    """The store that the settings name. It must be there: nobody looks into an empty one on purpose.

    Raises:
        SettingsError: settings are wrong, or there is no such store.
        StoreError: it cannot be used.
    """
    from target_leads.settings import Settings  # noqa: PLC0415 -- only some commands have settings
    from target_leads.store import Store  # noqa: PLC0415 -- likewise

    given = given_settings(config_paths)
    url = Settings.from_config({name: value for name, value in given.items() if name == "store_url"}).store_url
    with contextlib.closing(Store(url, now=time.time, must_exist=True)) as store:
        yield store
