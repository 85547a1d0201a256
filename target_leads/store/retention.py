"""Removes what is too old to be asked for."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from sqlalchemy import and_, delete, or_

from target_leads.store.tables import dead_letters, outcomes, runs

if TYPE_CHECKING:
    from sqlalchemy import Connection

_LONGEST_RUN = datetime.timedelta(days=7)
"""A run that has not ended after so long was killed."""


def remove_older(connection: Connection, moment: datetime.datetime) -> None:
    """Remove outcomes, runs and closed dead letters from before a moment. Open dead letters stay, however old.

    So do open jobs: their records are nowhere else.
    """
    connection.execute(delete(outcomes).where(outcomes.c.settled_at < moment))
    connection.execute(delete(dead_letters).where(dead_letters.c.closed_at < moment))
    was_killed = and_(runs.c.finished_at.is_(None), runs.c.started_at < moment - _LONGEST_RUN)
    connection.execute(delete(runs).where(or_(runs.c.finished_at < moment, was_killed)))
