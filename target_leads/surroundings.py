"""What a run needs of the machine it runs on: a network that reaches the providers."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from target_leads.clock import Clock
from target_leads.delivery import Transport
from target_leads.delivery.network import Unreachable

if TYPE_CHECKING:
    from collections.abc import Collection

    from target_leads.providers.account import Account

_SECONDS = 5
_LONGEST_SECONDS = 10
"""To look up a name has a time-out of its own, which nobody can set."""
_TOO_LONG = Unreachable(reason="no connection to the host within the time-out", may_pass=True)


def reached(accounts: Collection[Account]) -> dict[str, Unreachable | None]:
    """Whether the host of each account is reached, by provider name: why not, or None. No request is sent."""
    found: dict[str, Unreachable | None] = {account.definition.name: _TOO_LONG for account in accounts}

    def reach(account: Account) -> None:
        transport = Transport(account, timeout_seconds=_SECONDS, clock=Clock(wait=threading.Event().wait))
        found[account.definition.name] = transport.reach()
        transport.close()

    threads = [threading.Thread(target=reach, args=(account,), daemon=True) for account in accounts]
    give_up_at = time.monotonic() + _LONGEST_SECONDS
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0, give_up_at - time.monotonic()))
    return dict(found)
