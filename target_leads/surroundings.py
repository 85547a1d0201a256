"""What a run needs of the machine it runs on: a network, and certificates to trust."""

from __future__ import annotations

import os
import ssl
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from target_leads.clock import Clock
from target_leads.delivery import Transport
from target_leads.delivery.transport import Unreachable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from target_leads.providers.account import Account

_SECONDS = 5
_LONGEST_SECONDS = 10
"""To look up a name has a time-out of its own, which nobody can set."""
_CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_TOO_LONG = Unreachable(reason="no connection within the time-out", may_pass=True)


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


def certificate_findings() -> Iterator[str]:
    """What is wrong with the certificates that the environment wants trusted; requests takes the first variable set."""
    variable = next((name for name in _CERTIFICATES if os.environ.get(name)), None)
    if variable is None:
        return
    path = Path(os.environ[variable])
    if not path.exists():
        yield f"{variable}: there is no file {path}. Name one with certificates in PEM form, or unset the variable."
    elif path.is_file():
        try:
            ssl.create_default_context(cafile=path)
        except OSError:
            yield f"{variable}: {path} holds no certificates in PEM form. Name a file that does, or unset the variable."
