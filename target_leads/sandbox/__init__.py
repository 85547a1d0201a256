"""The sandbox: an emulator of every provider on loopback, made from the provider folders alone."""

from target_leads.sandbox.emulator import Emulator, ReceivedRequest
from target_leads.sandbox.scenarios import SCENARIOS, Arrival, Interference, Scenario
from target_leads.sandbox.server import running, serve

__all__ = [
    "SCENARIOS",
    "Arrival",
    "Emulator",
    "Interference",
    "ReceivedRequest",
    "Scenario",
    "running",
    "serve",
]
