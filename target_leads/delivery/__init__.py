"""Delivers lead updates: units, requests, verdicts, retries, and whose fault it was."""

from target_leads.delivery.dispatcher import Dispatcher
from target_leads.delivery.forecast import Forecast, Plan
from target_leads.delivery.retry import RetryPolicy
from target_leads.delivery.service import Service
from target_leads.delivery.transport import Transport

__all__ = ["Dispatcher", "Forecast", "Plan", "RetryPolicy", "Service", "Transport"]
