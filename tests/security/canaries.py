"""Values that stand nowhere but in one invented record, and how to find them in whatever form they turn up."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROVIDERS = Path(__file__).parent / "providers"
DIGITS_APART = re.compile(r"(?<=\d)[ ,().+/-]+(?=\d)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """One planted value."""

    value: str
    core: str
    """Part of it in letters or digits alone: escaping, quoting and other letter cases leave it as it is."""

    @property
    def forms(self) -> tuple[str, ...]:
        """The core in lower case, and what becomes of it in hexadecimal digits and, wherever it begins, in base64."""
        plain = (self.core if self.core in self.value else self.value).encode()
        parts = [plain.hex()]
        for before in range(3):
            whole = base64.b64encode(b"." * before + plain).decode()
            # The signs at both ends depend on what stands beside it.
            parts.append(whole[(0, 2, 3)[before] : len(whole) // 4 * 4 - 4].lower())
        return (self.core.lower(), *parts)

    def is_in(self, text: str) -> bool:
        """Whether the text shows it."""
        text = text.lower()
        return any(form in seen for seen in {text, DIGITS_APART.sub("", text)} for form in self.forms)


CANARIES = {
    "e-mail": Canary(value="quillfeather.zephyrine@example.com", core="quillfeather"),
    "phone": Canary(value="+14165550137", core="4165550137"),
    "SIN": Canary(value="046454286", core="046454286"),
    "birth date": Canary(value="1937-11-23", core="19371123"),
    "note": Canary(value='Zoë "Thistledown" O\'Wren,\n50% <off> \\ & more', core="thistledown"),
    "API key": Canary(value="ck-Marigold7Kestrel9Umbra", core="Marigold7Kestrel9Umbra"),
    "token": Canary(value="ct/Bramble4+Lantern8=Quartz", core="Bramble4"),
}
CREDENTIALS = {"api_key": CANARIES["API key"].value, "token": CANARIES["token"].value}
PERSON: dict[str, Any] = {
    "email": CANARIES["e-mail"].value,
    "phone": {"number": CANARIES["phone"].value},
    "sin": CANARIES["SIN"].value,
    "birth_date": CANARIES["birth date"].value,
    "note": CANARIES["note"].value,
}
"""A record, but for its id: the provider of the tests takes it."""
SUBJECTS = ("e-mail", "phone", "SIN", "birth date", "note")
"""The canaries in the record; the others are the account's."""


def found_in(text: str | bytes) -> set[str]:
    """Names of the canaries that a text shows."""
    text = text.decode("latin-1") if isinstance(text, bytes) else text
    return {name for name, canary in CANARIES.items() if canary.is_in(text)}
