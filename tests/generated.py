"""The files that are made from the settings: ``make settings`` writes them, test_generated.py holds them in step."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from target_leads.about import settings_table
from target_leads.settings_reference import rows
from target_leads.target import TargetLeads

if TYPE_CHECKING:
    from target_leads.settings_reference import SettingRow

ROOT = Path(__file__).parent.parent

_KINDS = {"number": "decimal", "string or integer": "string"}
_FROM_THE_SDK = ("faker_config.", "stream_maps.")

_MELTANO = """\
# A Meltano project around this checkout. Try it: meltano install, then
# meltano invoke target-leads --input sample_data/leads.singer.jsonl
# The settings are made from the target's own by `make settings`; a test holds them in step.
requires_meltano: ">=3.6"
default_environment: sandbox
send_anonymous_usage_stats: false

environments:
- name: sandbox # no real provider is called, no credential is needed
  config:
    plugins:
      loaders:
      - name: target-leads
        config:
          sandbox: true
          store_url: sqlite:///.meltano/target-leads.db
          providers.connect2capital.service_partner: my-finances
          streams:
            broker_leads:
              provider: bizmate
              lead_id: bizmate_id
              fields:
                company: companyName
                first_name: firstName
                last_name: lastName
                email: email
                phone: phone
                amount: amountRequested
- name: production

plugins:
  loaders:
  - name: target-leads
    namespace: target_leads
    pip_url: -e .
    executable: target-leads
    capabilities:
{capabilities}
    settings:
{settings}
"""


def settings_page() -> str:
    """The text of docs/settings.md."""
    table = "\n".join(settings_table(_schema()))
    return (
        "# Settings\n\n"
        "Made from the settings themselves by `make settings`. Give them in a file (`--config FILE`), as environment\n"
        "variables (`--config ENV`; the name in capitals behind `TARGET_LEADS_`, objects and lists as JSON), or\n"
        "through Meltano.\n\n"
        f"{table}\n"
    )


def meltano_project() -> str:
    """The text of meltano.yml."""
    settings = [_meltano_setting(row) for row in rows(_schema()) if _is_for_meltano(row)]
    return _MELTANO.format(
        capabilities="\n".join(f"    - {capability}" for capability in TargetLeads.capabilities),
        settings="\n".join(f"    {line}" for line in _yaml(settings).splitlines()),
    )


def _schema() -> dict[str, Any]:
    schema = TargetLeads.config_jsonschema
    TargetLeads.append_builtin_config(schema)
    return schema


def _is_for_meltano(row: SettingRow) -> bool:
    """Whether Meltano sets it by a name of its own: not what the user names, nor a provider as a whole."""
    is_whole = row.name == "providers" or (row.name.startswith("providers.") and row.kind == "object")
    return "<" not in row.name and not is_whole and not row.name.startswith(_FROM_THE_SDK)


def _meltano_setting(row: SettingRow) -> dict[str, Any]:
    kind = row.kind.removesuffix(" or null")
    setting: dict[str, Any] = {
        "name": row.name,
        "label": row.title,
        "kind": "options" if row.choices else _KINDS.get(kind, kind),
        "description": row.description,
    }
    if row.choices:
        setting["options"] = [{"label": choice, "value": choice} for choice in row.choices]
    if row.default not in (None, {}, []) and not row.name.startswith("providers."):
        setting["value"] = row.default
    if row.secret:
        setting["sensitive"] = True
    return setting


def _yaml(value: object) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=120)


if __name__ == "__main__":
    (ROOT / "docs" / "settings.md").write_text(settings_page(), encoding="utf-8")
    (ROOT / "meltano.yml").write_text(meltano_project(), encoding="utf-8")
