"""Removes what is too old to be asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete

from target_leads.store.tables import dead_letters, outcomes, runs

if TYPE_CHECKING:
    import datetime

    from sqlalchemy import Connection


def remove_older(connection: Connection, moment: datetime.datetime) -> None:
    """Remove outcomes, runs and closed dead letters from before a moment. Open dead letters stay, however old.

    So do open jobs: their records are nowhere else.
    """
    connection.execute(delete(outcomes).where(outcomes.c.settled_at < moment))
    connection.execute(delete(dead_letters).where(dead_letters.c.closed_at < moment))
    connection.execute(delete(runs).where(runs.c.started_at < moment))
