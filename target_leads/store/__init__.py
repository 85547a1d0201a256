"""The database that keeps dead letters, outcomes and runs. The only package that knows SQLAlchemy."""

from target_leads.store.dead_letters import DeadLetter, DeadLetterFilter, singer_messages
from target_leads.store.store import Store

__all__ = ["DeadLetter", "DeadLetterFilter", "Store", "singer_messages"]
