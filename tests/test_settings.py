"""What a user may set: defaults, forms, and the sentence for each mistake."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import pytest

from target_leads.exceptions import SettingsError
from target_leads.settings import RejectLimit, Settings, StreamSettings, schema

SECRET = "s3cret-value"
"""Planted, to see that it is never shown."""

DEFAULTS = {
    "provider": "",
    "provider_field": "",
    "streams": {},
    "providers": {},
    "provider_paths": (),
    "resend": "changed",
    "retention_days": 90,
    "reject_limit": RejectLimit(share=Fraction(1, 10)),
    "concurrency": 8,
    "batch_size_rows": 1000,
    "max_tries": 5,
    "max_wait_seconds": 300,
    "request_timeout_seconds": 30,
    "confirm_timeout_seconds": 60,
    "shutdown_seconds": 30,
    "store_url": "sqlite:///target-leads.db",
    "dry_run": False,
    "sandbox": False,
    "report_path": "",
}


def findings_of(config: dict[str, Any]) -> tuple[str, ...]:
    """What is wrong with a configuration."""
    with pytest.raises(SettingsError) as raised:
        Settings.from_config(config)
    return raised.value.findings


def test_defaults_are_those_of_the_contract() -> None:
    """Each setting that is not given has the default that is promised, and no setting is left out here."""
    settings = Settings.from_config({})
    assert {name: getattr(settings, name) for name in Settings.__slots__} == DEFAULTS


@pytest.mark.parametrize("name", ["provider", "streams", "reject_limit", "max_tries", "store_url", "sandbox"])
def test_null_is_not_given(name: str) -> None:
    """A setting that is null counts as not given: so does JSON say that it is not set."""
    assert getattr(Settings.from_config({name: None}), name) == DEFAULTS[name]


def test_nulls_inside_are_not_given_but_for_constants() -> None:
    """Null settings of a stream or a provider are left out, null streams too; a null constant is a value."""
    settings = Settings.from_config(
        {
            "streams": {"a": {"lead_id": None, "constants": {"note": None}}, "b": None},
            "providers": {"perch": {"api_key": None, "environment": "sandbox"}, "bizmate": None},
        }
    )
    assert settings.streams == {"a": StreamSettings(constants={"note": None})}
    assert settings.providers == {"perch": {"environment": "sandbox"}}


def test_settings_of_a_stream() -> None:
    """Every setting of a stream is read under its contract name; without any, all have their defaults."""
    given = {
        "provider": "perch",
        "lead_id": "key",
        "fields": {"mail": "email"},
        "constants": {"kind": "Firm"},
        "nulls": "send",
        "unknown_fields": "reject",
        "version_field": "updated_at",
        "coerce": True,
    }
    settings = Settings.from_config(
        {"streams": {"leads": given, "plain": {}, "meek": {"nulls": "omit", "unknown_fields": "drop"}}}
    )
    assert settings.streams == {
        "leads": StreamSettings(
            provider="perch",
            lead_id="key",
            fields={"mail": "email"},
            constants={"kind": "Firm"},
            sends_nulls=True,
            rejects_unknown_fields=True,
            version_field="updated_at",
            coerces=True,
        ),
        "plain": StreamSettings(),
        "meek": StreamSettings(sends_nulls=False, rejects_unknown_fields=False),
    }


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("concurrency", "4", 4),
        ("concurrency", 4.0, 4),
        ("concurrency", "4.0", 4),
        ("max_wait_seconds", "1.5", 1.5),
        ("max_wait_seconds", " 90 ", 90),
        ("dry_run", "true", True),
        ("dry_run", "True", True),
        ("sandbox", "FALSE", False),
        ("provider", "8", "8"),
        ("store_url", "true", "true"),
    ],
)
def test_numbers_and_truth_values_may_come_as_text(name: str, text: object, value: object) -> None:
    """Environment variables bring text: it is read by the setting's type, and whole numbers become whole numbers."""
    read = getattr(Settings.from_config({name: text}), name)
    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize(
    ("given", "limit"),
    [
        ("10%", RejectLimit(share=Fraction(1, 10))),
        ("0%", RejectLimit(share=Fraction(0))),
        ("2.5%", RejectLimit(share=Fraction(1, 40))),
        ("29%", RejectLimit(share=Fraction(29, 100))),
        ("100%", RejectLimit(share=Fraction(1))),
        ("100.0%", RejectLimit(share=Fraction(1))),
        ("50", RejectLimit(number=50)),
        (50, RejectLimit(number=50)),
        (50.0, RejectLimit(number=50)),
        (0, RejectLimit(number=0)),
    ],
)
def test_forms_of_reject_limit(given: str | float, limit: RejectLimit) -> None:
    """The limit is a whole number or a share, as text or as a number, and exact."""
    assert Settings.from_config({"reject_limit": given}).reject_limit == limit


@pytest.mark.parametrize("given", ["", "10 %", "%", "-1", "101%", "100.5%", "1e2", "10%\n", "50\n", "ten", "9" * 5000])
def test_no_forms_of_reject_limit(given: str) -> None:
    """Anything else is a mistake with an example of what is allowed."""
    assert findings_of({"reject_limit": given}) == (f"reject_limit: must look like 10% or 50, but was {given!r}.",)


@pytest.mark.parametrize(
    ("config", "finding"),
    [
        ({"provider": 5}, "provider: must be of type string, but was 5."),
        ({"provider": ["perch"]}, "provider: must be of type string."),
        ({"provider_field": ""}, "provider_field: must not be empty, but was ''."),
        ({"concurrency": 0}, "concurrency: must be at least 1, but was 0."),
        ({"concurrency": 257}, "concurrency: must be at most 256, but was 257."),
        ({"concurrency": 2.5}, "concurrency: must be of type integer, but was 2.5."),
        ({"concurrency": "many"}, "concurrency: must be of type integer, but was 'many'."),
        ({"concurrency": True}, "concurrency: must be of type integer, but was true."),
        ({"batch_size_rows": 0}, "batch_size_rows: must be at least 1, but was 0."),
        ({"max_tries": -1}, "max_tries: must be at least 1, but was -1."),
        ({"max_wait_seconds": -1}, "max_wait_seconds: must be at least 0, but was -1."),
        ({"max_wait_seconds": math.nan}, "max_wait_seconds: must be of type number, but was NaN."),
        ({"max_wait_seconds": math.inf}, "max_wait_seconds: must be of type number, but was Infinity."),
        ({"max_wait_seconds": "1e400"}, "max_wait_seconds: must be of type number, but was Infinity."),
        ({"max_wait_seconds": 1e9}, "max_wait_seconds: must be at most 604800, but was 1000000000.0."),
        ({"confirm_timeout_seconds": 1e9}, "confirm_timeout_seconds: must be at most 604800, but was 1000000000.0."),
        ({"shutdown_seconds": 1e9}, "shutdown_seconds: must be at most 604800, but was 1000000000.0."),
        ({"request_timeout_seconds": 0}, "request_timeout_seconds: must be more than 0, but was 0."),
        ({"request_timeout_seconds": 1e9}, "request_timeout_seconds: must be at most 604800, but was 1000000000.0."),
        ({"reject_limit": -1}, "reject_limit: must be at least 0, but was -1."),
        ({"reject_limit": 1.5}, "reject_limit: must be of type string or integer, but was 1.5."),
        ({"reject_limit": True}, "reject_limit: must be of type string or integer, but was true."),
        ({"dry_run": "yes"}, "dry_run: must be of type boolean, but was 'yes'."),
        ({"dry_run": 1}, "dry_run: must be of type boolean, but was 1."),
        ({"load_method": "upsert"}, "load_method: must be one of update, but was 'upsert'."),
        ({"store_url": 5}, "store_url: must be of type string."),
        ({"store_url": ""}, "store_url: must not be empty."),
        ({"provider_paths": "folder"}, "provider_paths: must be of type array, but was 'folder'."),
        ({"provider_paths": [""]}, "provider_paths.0: must not be empty, but was ''."),
        ({"streams": []}, "streams: must be of type object."),
        ({"streams": {"leads": "perch"}}, "streams.leads: must be of type object, but was 'perch'."),
        ({"streams": {"l-1": {"lead_id": ""}}}, "streams.l-1.lead_id: must not be empty, but was ''."),
        (
            {"streams": {"leads": {"lead": "id"}}},
            (
                "streams.leads.lead: is not one of provider, lead_id, fields, constants, nulls, unknown_fields, "
                "version_field, coerce. Did you mean lead_id?"
            ),
        ),
        (
            {"streams": {"leads": {"nulls": "keep"}}},
            "streams.leads.nulls: must be one of omit, send, but was 'keep'.",
        ),
        (
            {"streams": {"leads": {"unknown_fields": "warn"}}},
            "streams.leads.unknown_fields: must be one of drop, reject, but was 'warn'.",
        ),
        (
            {"streams": {"leads": {"coerce": "yes"}}},
            "streams.leads.coerce: must be of type boolean, but was 'yes'.",
        ),
        (
            {"streams": {"leads": {"fields": {"mail": 1}}}},
            "streams.leads.fields.mail: must be of type string, but was 1.",
        ),
        (
            {"streams": {"leads": {"fields": ["email"]}}},
            "streams.leads.fields: must be of type object.",
        ),
        (
            {"streams": {"leads": {"constants": "Firm"}}},
            "streams.leads.constants: must be of type object, but was 'Firm'.",
        ),
        ({"providers": SECRET}, "providers: must be of type object."),
        ({"providers": {"perch": SECRET}}, "providers.perch: must be of type object."),
    ],
)
def test_a_mistake_is_named_with_what_it_was_and_what_is_allowed(config: dict[str, Any], finding: str) -> None:
    """One sentence says which setting is wrong, what is allowed, and what it was unless that may be a secret."""
    assert findings_of(config) == (finding,)


def test_all_mistakes_are_told_at_once() -> None:
    """A user mends everything in one go, so every mistake is in the error, and in its text on a line of its own."""
    with pytest.raises(SettingsError) as raised:
        Settings.from_config({"concurrency": 0, "max_tries": 0})
    assert str(raised.value) == "concurrency: must be at least 1, but was 0.\nmax_tries: must be at least 1, but was 0."
    assert raised.value.exit_status == 2


@pytest.mark.parametrize(
    "config", [{"store_url": [SECRET]}, {"store_url": {SECRET: SECRET}}, {"providers": [SECRET]}, {"providers": SECRET}]
)
def test_no_mistake_shows_a_secret(config: dict[str, Any]) -> None:
    """What stands where a secret belongs is not shown, whatever is wrong with it."""
    assert SECRET not in "".join(findings_of(config))


def test_secrets_are_not_in_the_representation() -> None:
    """Settings that end up in a log or a traceback show neither a credential nor the password in the store's URL."""
    settings = Settings.from_config(
        {"providers": {"perch": {"api_key": SECRET}}, "store_url": f"postgresql://user:{SECRET}@host/db"}
    )
    assert SECRET not in repr(settings)


def test_an_unknown_setting_at_the_top_is_no_error() -> None:
    """The target warns of it; configurations that several plugins share must not break."""
    assert Settings.from_config({"no_such_setting": SECRET}) == Settings.from_config({})


def test_the_configuration_is_not_changed() -> None:
    """Reading settings leaves what was given as it was."""
    config = {"concurrency": "4", "streams": {"a": {"lead_id": None}}, "provider": None}
    Settings.from_config(config)
    assert config == {"concurrency": "4", "streams": {"a": {"lead_id": None}}, "provider": None}


def test_every_setting_is_documented() -> None:
    """Each setting in the schema has a title and a description, and only the store's URL is a secret up here."""
    properties = schema()["properties"]
    assert all(setting["title"] and setting["description"] for setting in properties.values())
    assert [name for name, setting in properties.items() if setting.get("secret")] == ["store_url"]
