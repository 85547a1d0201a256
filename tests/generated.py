"""The files that are made from the settings: ``make settings`` writes them, test_generated.py holds them in step."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from target_leads.about import settings_table
from target_leads.providers import bundled
from target_leads.settings_reference import rows
from target_leads.target import TargetLeads

if TYPE_CHECKING:
    from target_leads.providers import Definition
    from target_leads.settings_reference import SettingRow

ROOT = Path(__file__).parent.parent

_KINDS = {"number": "decimal", "string or integer": "string"}
_FROM_THE_SDK = ("faker_config.", "stream_maps.")

_PROJECT = """\
# A Meltano project around this checkout. Try it: meltano install, then meltano run tap-singer-jsonl target-leads
# What stands under the loader is made from the target's own settings by `make settings`; a test holds it in step.
requires_meltano: ">=4,<5"
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
  extractors:
  - name: tap-singer-jsonl # replays files such as sample_data/leads.singer.jsonl
    namespace: tap_singer_jsonl
    pip_url: tap-singer-jsonl setuptools<70
    python: "3.11" # what it needs cannot be installed on a later one
    executable: tap-singer-jsonl
    capabilities: [discover]
    settings:
    - name: local
      kind: object
    config:
      local:
        folders: [sample_data]
  loaders:
"""

_DEFINITION = """\
# The loader target-leads, for a Meltano project of yours: meltano add target-leads --from-ref target-leads.yml
# `target-leads --about --format meltano` prints it.
# The package is on no index yet: Meltano installs what the variable TARGET_LEADS_SOURCE names, a checkout or a wheel,
# with what a store on PostgreSQL needs. Set it in the environment or in .env, as an absolute path.
# Made from the target's own settings by `make settings`; a test holds it in step.
"""

_COMMANDS = {
    "dead-letters": ("--config ENV dead-letters list", "What was refused and is not settled yet, and why."),
    "runs": ("--config ENV runs list", "The last runs, and how each ended."),
    "sandbox": ("sandbox", "An emulator of every provider on this machine."),
}
"""What ``meltano invoke target-leads:runs`` does. Meltano hands such a command no config file but variables, in which
there is no setting of a provider, so these are commands that need none."""


_SOURCE = '"${TARGET_LEADS_SOURCE}[postgres]"'
"""In quotes, as Meltano reads it like a shell: a path may have a space in it."""


def settings_page() -> str:
    """The text of docs/settings.md."""
    table = "\n".join(settings_table(_schema()))
    return (
        "# Settings\n\n"
        "Made from the settings themselves by `make settings`. Give them in a file (`--config FILE`), as environment\n"
        "variables (`--config ENV`), or through Meltano. There is a variable for each setting whose name has no\n"
        "dot: the name in capitals behind `TARGET_LEADS_`, objects and lists as JSON. What stands in an object is\n"
        """given with it: `TARGET_LEADS_PROVIDERS='{"perch": {"api_key": "…"}}'`. Meltano alone, which hands the\n"""
        "target a file, knows a variable for each name with dots as well: `TARGET_LEADS_PROVIDERS_PERCH_API_KEY`.\n\n"
        f"{table}\n"
    )


def meltano_project() -> str:
    """The text of meltano.yml."""
    loader = _yaml([_loader(pip_url="-e .[postgres]")])
    return _PROJECT + "".join(f"  {line}\n" for line in loader.splitlines())


def meltano_definition() -> str:
    """The text of target_leads/target-leads.yml, which ``meltano add --from-ref`` reads."""
    return _DEFINITION + _yaml(_loader(pip_url=_SOURCE))


def _loader(*, pip_url: str) -> dict[str, Any]:
    schema = _schema()
    return {
        "name": "target-leads",
        "namespace": "target_leads",
        "pip_url": pip_url,
        "executable": "target-leads",
        "capabilities": [str(capability) for capability in TargetLeads.capabilities],
        "settings_group_validation": [
            [f"providers.{name}.{setting}" for setting in definition.settings if _must_be_given(definition, setting)]
            for name, definition in sorted(bundled().items())
        ],
        "settings": [_meltano_setting(row) for row in rows(schema) if _is_for_meltano(row)],
        "commands": {
            name: {"args": arguments, "description": description}
            for name, (arguments, description) in _COMMANDS.items()
        },
    }


def _must_be_given(definition: Definition, setting: str) -> bool:
    return definition.settings[setting].default is None


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
    (ROOT / "target_leads" / "target-leads.yml").write_text(meltano_definition(), encoding="utf-8")
    (ROOT / "meltano.yml").write_text(meltano_project(), encoding="utf-8")
