"""Kinds of words that a user gives to a command."""

from __future__ import annotations

import datetime

import click

from target_leads.redaction import printable

WHOLE_NUMBER = click.IntRange(min=1, max=2**63 - 1)
"""No database counts further."""


class Text(click.ParamType[str]):
    """Any text: no database and no JSON takes bytes that are none."""

    name = "text"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read it."""
        try:
            value.encode()
        except UnicodeEncodeError:
            self.fail("must be text in UTF-8.", param, ctx)
        return value


class Words(Text):
    """Text that is not blank: a shell variable that is not set must not mean every dead letter."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read it."""
        text = super().convert(value, param, ctx)
        return text if text.strip() else self.fail("must not be blank.", param, ctx)


class Moment(click.ParamType[datetime.datetime]):
    """A date, or a date with a time; without a zone it is UTC."""

    name = "date"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime.datetime:
        """Read it, as a moment in UTC."""
        try:
            moment = datetime.datetime.fromisoformat(str(value).replace("Z", "+00:00"))
            return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.timezone.utc)).astimezone(
                datetime.timezone.utc
            )
        except (ValueError, OverflowError):  # the latter where UTC has no such year any more
            self.fail(
                f"{printable(str(value))} is no date such as 2026-03-29 or 2026-03-29T07:00:00+00:00.", param, ctx
            )
