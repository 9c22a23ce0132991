"""Keeps the emulator's in-memory state on disk, so that it outlives a kill -9.

The emulator itself saves only at a clean stop. Here each mutating request is followed, before its reply, by an
atomic write of the services it changed, in the emulator's own format (which it loads at start).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

log = logging.getLogger("local.aws.ministack.snapshots")

# Log events grow without bound and are no part of the catalog's truth: they are saved by the sweep, not per request.
LAZY = frozenset({"cloudwatch_logs"})
SWEEP_DELAY_SECONDS = 0.5
IN_PROGRESS = "_IN_PROGRESS"
INTERRUPTED = {
    "CREATE_IN_PROGRESS": "CREATE_FAILED",
    "UPDATE_IN_PROGRESS": "UPDATE_ROLLBACK_FAILED",
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS": "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_IN_PROGRESS": "UPDATE_ROLLBACK_FAILED",
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS": "UPDATE_ROLLBACK_COMPLETE",
    "ROLLBACK_IN_PROGRESS": "ROLLBACK_FAILED",
    "DELETE_IN_PROGRESS": "DELETE_FAILED",
}


class Snapshots:
    """Writes changed services to `directory`, at once on request and by a sweep shortly after."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._written: dict[str, str] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()
        self._sweep_due = 0.0
        self._wake = threading.Event()
        self._stop = False
        self._thread = threading.Thread(target=self._sweep_loop, name="snapshots", daemon=True)
        self._thread.start()

    def services(self) -> dict[str, Callable[[], Any]]:
        """The loaded services, by the name of their state file."""
        import ministack.app as app

        return dict(app._build_persistence_save_dict())

    def key_of(self, service: str) -> str:
        """The state file's name of a service as the emulator's router calls it."""
        import ministack.app as app

        config = app.SERVICE_REGISTRY.get(app.SERVICE_NAME_ALIASES.get(service, service), {})
        return str(config.get("state_key", config.get("module", service)))

    def save(self, keys: Iterable[str] | None = None) -> None:
        """Write the named services (default: all that are loaded) if they changed. Raises OSError if it cannot."""
        services = self.services()
        for key in services if keys is None else keys:
            if key in services:
                self._save_one(key, services[key])

    def sweep_soon(self) -> None:
        """Ask for a write of everything a moment from now: a request may change other services than its own."""
        with self._guard:
            self._sweep_due = time.monotonic() + SWEEP_DELAY_SECONDS
        self._wake.set()

    def close(self) -> None:
        """Stop the sweep and write everything once more."""
        self._stop = True
        self._wake.set()
        self._thread.join(timeout=10)
        self.save()

    def _save_one(self, key: str, get_state: Callable[[], Any]) -> None:
        from ministack.core import persistence

        with self._guard:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            state = _consistent(get_state)
            if state is None:
                return
            body = json.dumps(
                {"__ministack_format__": persistence._state_format_version(key), "payload": state},
                default=persistence._json_default,
            )
            digest = hashlib.blake2b(body.encode()).hexdigest()
            if self._written.get(key) == digest:
                return
            write_atomically(self.directory / f"{key}.json", body.encode())
            self._written[key] = digest

    def _sweep_loop(self) -> None:
        while not self._stop:
            self._wake.wait()
            self._wake.clear()
            while not self._stop:
                with self._guard:
                    wait = self._sweep_due - time.monotonic()
                if wait > 0:
                    time.sleep(wait)
                    continue
                try:
                    self.save()
                except Exception:
                    log.exception("the sweep could not save the emulator's state")
                if not stacks_settled():
                    self.sweep_soon()
                    continue
                break


def _consistent(get_state: Callable[[], Any]) -> Any:
    # Handlers run on their own threads, so a dictionary may change while it is being copied.
    for _ in range(20):
        try:
            return get_state()
        except RuntimeError:
            time.sleep(0.005)
    return get_state()


def write_atomically(path: Path, body: bytes) -> None:
    """Replace `path` by `body` so that a reader, or the next start, sees the old bytes or the new ones."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    with temporary.open("wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def stacks_settled() -> bool:
    """Whether no CloudFormation stack is being worked on; the emulator does that work after it has replied."""
    module = sys.modules.get("ministack.services.cloudformation")
    if module is None:
        return True
    with contextlib.suppress(RuntimeError):
        return not any(
            str(stack.get("StackStatus", "")).endswith(IN_PROGRESS) for stack in list(module._stacks._data.values())
        )
    return False


def end_interrupted_stacks() -> None:
    """Give stacks that a kill left half done the failed state that lets a client act on them."""
    module = sys.modules.get("ministack.services.cloudformation")
    if module is None:
        return
    for stack in module._stacks._data.values():
        status = str(stack.get("StackStatus", ""))
        if status.endswith(IN_PROGRESS):
            stack["StackStatus"] = INTERRUPTED.get(status, "UPDATE_ROLLBACK_FAILED")
            stack["StackStatusReason"] = f"The local AWS server ended while the stack was {status}."
