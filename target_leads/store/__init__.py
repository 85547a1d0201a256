"""The database that keeps dead letters, outcomes and runs. The only package that knows SQLAlchemy."""

from target_leads.store.store import DeadLetter, Store

__all__ = ["DeadLetter", "Store"]
