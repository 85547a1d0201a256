"""The headers that prove to a provider who sends a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from target_leads.providers.account import Account


def credentials(account: Account) -> dict[str, str]:
    """Headers with the account's credentials, from the templates of the provider's definition."""
    return {name: template.format_map(account.values) for name, template in account.definition.headers.items()}
