"""Puts a run together from its settings, or says what is wrong before the first record is read."""

from __future__ import annotations

import contextlib
import functools
import secrets
import uuid
from typing import TYPE_CHECKING

from target_leads import __version__
from target_leads.admission import Admission
from target_leads.changes import Fingerprints
from target_leads.checkpoints import Checkpoints
from target_leads.clock import Clock
from target_leads.delivery import Dispatcher, Forecast, RetryPolicy, Service, Transport
from target_leads.delivery.network import network_findings
from target_leads.exceptions import SettingsError
from target_leads.guard import Guard
from target_leads.pipeline import Pipeline
from target_leads.providers import load_all
from target_leads.providers.account import Account, sandbox_config
from target_leads.report import RunReport
from target_leads.report_file import path_findings, report_as_json, write_report
from target_leads.routing import named_providers, unknown_providers
from target_leads.sandbox_process import sandbox_process
from target_leads.selection import Selection
from target_leads.store import Store

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Mapping

    from target_leads.providers import Definition
    from target_leads.settings import Settings


@contextlib.contextmanager
def open_pipeline(
    settings: Settings, *, write_state: Callable[[str], None], stopping: threading.Event
) -> Iterator[Pipeline]:
    """A pipeline for one run, its sandbox running if the settings ask for one. Setting `stopping` ends it soon.

    Raises:
        SettingsError: something is wrong that can be known before the first record; it lists all that is.
        StoreError: the store cannot be used.
    """
    definitions = load_all(settings.provider_paths)
    with contextlib.ExitStack() as stack:
        urls = stack.enter_context(sandbox_process(definitions, settings.provider_paths)) if settings.sandbox else {}
        account_of = functools.cache(functools.partial(open_account, settings, definitions, urls))
        clock = Clock(wait=stopping.wait)
        report = RunReport(str(uuid.uuid4()), started_at=clock.now(), is_dry_run=settings.dry_run)
        _check(settings, definitions, account_of, report)
        if settings.dry_run:
            store, known = None, _store_to_read(settings, definitions, clock, stack)
        else:
            store = known = _store(settings, definitions, report.run_id, clock)
        # An emulator begins without leads: what it accepted in an earlier run says nothing.
        memory = None if settings.sandbox else known
        fingerprints = known.fingerprints if known else Fingerprints(secrets.token_bytes(32))
        admission = Admission(settings, definitions, account_of, fingerprints)
        pipeline = Pipeline(
            admission=admission,
            selection=Selection(admission, definitions, memory, resends_all=settings.resend == "all"),
            dispatcher=None if settings.dry_run else _dispatcher(settings, account_of, stopping, clock, stack),
            forecast=Forecast(account_of) if settings.dry_run else None,
            store=store,
            checkpoints=None if settings.dry_run else Checkpoints(write_state),
            report=report,
            guard=Guard(settings.reject_limit, report),
            stopping=stopping,
            batch_size_rows=settings.batch_size_rows,
            clock=clock,
        )
        try:
            yield pipeline
        finally:
            pipeline.close(exit_status=1)


def open_account(
    settings: Settings, definitions: Mapping[str, Definition], urls: Mapping[str, str], provider: str
) -> Account:
    """A provider's account, at the sandbox where `urls` has its URL.

    Raises:
        SettingsError: something is wrong or missing under ``providers.<name>``; it lists all that is.
    """
    definition = definitions[provider]
    config = settings.providers.get(provider, {})
    if provider in urls:
        config = sandbox_config(definition, config, url=urls[provider])
    return Account.open(definition, config, concurrency=settings.concurrency)


def check_named_providers(
    settings: Settings, definitions: Mapping[str, Definition], account_of: Callable[[str], Account]
) -> None:
    """Check every provider that the settings name, so that all mistakes are told at once.

    Raises:
        SettingsError: one does not exist, or lacks something; it lists all that is wrong.
    """
    findings = unknown_providers(settings, definitions)
    for provider in sorted(set(named_providers(settings).values()) & definitions.keys()):
        try:
            account_of(provider)
        except SettingsError as error:
            findings += error.findings
    if findings:
        raise SettingsError(findings)


def _check(
    settings: Settings,
    definitions: Mapping[str, Definition],
    account_of: Callable[[str], Account],
    report: RunReport,
) -> None:
    """Check the providers and the machine, and begin the report, so that all mistakes are told at once."""
    findings: list[str] = []
    try:
        check_named_providers(settings, definitions, account_of)
    except SettingsError as error:
        findings += error.findings
    else:
        named = set(named_providers(settings).values()) & definitions.keys()
        if not settings.sandbox:
            findings += network_findings(account_of(provider).base_url for provider in sorted(named))
    path = settings.report_path
    if wrong := list(path_findings(path)):
        findings += wrong
    elif path:
        try:
            write_report(path, report_as_json(report))
        except OSError as error:
            findings.append(f"report_path: {path} cannot be written: {error.strerror}. Name another file.")
    if findings:
        raise SettingsError(findings)


def _dispatcher(
    settings: Settings,
    account_of: Callable[[str], Account],
    stopping: threading.Event,
    clock: Clock,
    resources: contextlib.ExitStack,
) -> Dispatcher:
    policy = RetryPolicy(max_tries=settings.max_tries, max_wait_seconds=settings.max_wait_seconds)

    def open_service(provider: str) -> Service:
        account = account_of(provider)
        transport = Transport(account, timeout_seconds=settings.request_timeout_seconds, clock=clock)
        resources.callback(transport.close)
        return Service(account, send=transport.send, policy=policy, clock=clock)

    return Dispatcher(
        open_service=open_service,
        stopping=stopping,
        clock=clock,
        confirm_timeout_seconds=settings.confirm_timeout_seconds,
        shutdown_seconds=settings.shutdown_seconds,
    )


def _store(settings: Settings, definitions: Mapping[str, Definition], run_id: str, clock: Clock) -> Store:
    store = Store(settings.store_url, now=clock.now, definitions=definitions, remembers=not settings.sandbox)
    store.begin_run(run_id, version=__version__, retention_days=settings.retention_days)
    return store


def _store_to_read(
    settings: Settings, definitions: Mapping[str, Definition], clock: Clock, resources: contextlib.ExitStack
) -> Store | None:
    """The store of earlier runs, for a dry run to compare with; none if there were no runs. It stays as it is."""
    if settings.sandbox:
        return None
    store = Store.to_read(settings.store_url, now=clock.now, definitions=definitions)
    if store is not None:
        resources.callback(store.close)
    return store
