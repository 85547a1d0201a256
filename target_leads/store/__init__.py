"""The database that keeps dead letters, outcomes and runs. The only package that knows SQLAlchemy."""

from target_leads.store.condition import Condition, condition_of
from target_leads.store.dead_letters import DeadLetter, DeadLetterFilter, singer_messages
from target_leads.store.lead_history import LeadHistory
from target_leads.store.past import PastRun, ReasonCount
from target_leads.store.store import Store

__all__ = [
    "Condition",
    "DeadLetter",
    "DeadLetterFilter",
    "LeadHistory",
    "PastRun",
    "ReasonCount",
    "Store",
    "condition_of",
    "singer_messages",
]
