"""A lead API that notes what it accepted and when."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import json
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_PATIENCE_SECONDS = 30
REFUSED = "refused"
"""How the ids of leads begin that it refuses."""


@dataclass(slots=True, kw_only=True)
class Accepted:
    """An update that was accepted."""

    run: int
    lead_id: str
    number: int
    """The record's number in the input."""
    answered_at: float = 0.0
    """When its answer was on the way, or could not be sent any more; of `time.monotonic`, which processes share."""


@dataclass(slots=True, kw_only=True)
class _Job:
    ends_at: float
    fails: bool


class Provider(http.server.ThreadingHTTPServer):
    """A real HTTP/1.1 server with keep-alive: PATCH writes fields, POST writes whole leads, PUT does so by a job."""

    request_queue_size = 128
    daemon_threads = True

    def __init__(self, *, latency_seconds: float, job_seconds: float) -> None:
        """Listen on loopback."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.latency_seconds = latency_seconds
        self.job_seconds = job_seconds
        self.run = 0
        """The run that calls now."""
        self.accepted: list[Accepted] = []
        self.leads: dict[str, dict[str, Any]] = {}
        """What it has of each lead. A job's update stands there at once: nobody looks before the end."""
        self._jobs: list[_Job] = []
        self._last_job: dict[str, float] = {}
        self._lock = threading.Lock()
        self._connections = 0
        self._quiet = threading.Condition()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_port}"

    def take(self, method: str, lead_id: str, fields: dict[str, Any]) -> tuple[int, dict[str, Any], Accepted | None]:
        """Accept an update or refuse it: status and body of the answer, and the entry in the log, if there is one."""
        refused = lead_id.startswith(REFUSED)
        if refused and method != "PUT":
            return 422, {}, None
        with self._lock:
            entry = Accepted(run=self.run, lead_id=lead_id, number=fields["number"])
            self.accepted.append(entry)
            self.leads[lead_id] = {**self.leads.get(lead_id, {}), **fields} if method == "PATCH" else fields
            if method != "PUT":
                return 200, {}, entry
            # Jobs of one lead end in their order.
            ends_at = max(time.monotonic() + self.job_seconds, self._last_job.get(lead_id, 0.0))
            self._last_job[lead_id] = ends_at
            self._jobs.append(_Job(ends_at=ends_at, fails=refused))
            return 200, {"job_id": str(len(self._jobs) - 1)}, entry

    def job(self, job_id: str) -> dict[str, Any]:
        """What it says of a job."""
        job = self._jobs[int(job_id)]
        if time.monotonic() < job.ends_at:
            return {"state": "OPEN"}
        return {"state": "BROKEN" if job.fails else "DONE"}

    def end_jobs(self) -> None:
        """Let every job be at its end."""
        for job in self._jobs:
            job.ends_at = 0.0

    def become_quiet(self) -> None:
        """Wait until all is done that a run has sent before it was gone: that is still on its way, and counts."""
        # Connections are taken in their order, so once this one is, all are.
        connection = http.client.HTTPConnection("127.0.0.1", self.server_port, timeout=_PATIENCE_SECONDS)
        connection.request("GET", "/")
        connection.getresponse().read()
        connection.close()
        with self._quiet:
            assert self._quiet.wait_for(lambda: not self._connections, timeout=_PATIENCE_SECONDS)

    @contextlib.contextmanager
    def serving(self) -> Iterator[Provider]:
        """Answer until the end of the block."""
        thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.shutdown()
            thread.join()
            self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Count a connection that begins."""
        with self._quiet:
            self._connections += 1
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Count one that ends."""
        super().shutdown_request(request)
        with self._quiet:
            self._connections -= 1
            self._quiet.notify_all()

    def handle_error(self, *_: object) -> None:
        """Say nothing of a client that was killed; anything else fails the test."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            raise  # noqa: PLE0704 -- within the handling of the exception


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: Provider

    def write_lead(self) -> None:
        length = int(self.headers["content-length"])
        content = self.rfile.read(length)
        if len(content) < length:  # the client was killed between head and body
            self.close_connection = True
            return
        time.sleep(self.server.latency_seconds / 2)
        status, body, entry = self.server.take(self.command, self.path.rpartition("/")[2], json.loads(content))
        time.sleep(self.server.latency_seconds / 2)
        try:
            self._answer(status, body)
        finally:
            if entry is not None:
                entry.answered_at = time.monotonic()

    def do_GET(self) -> None:
        self._answer(200, self.server.job(self.path.rpartition("/")[2]) if self.path.startswith("/jobs/") else {})

    do_PATCH = do_POST = do_PUT = write_lead  # noqa: N815 -- the names are the server's

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Say nothing."""
