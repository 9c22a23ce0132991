"""Puts the services together over one emulator and one store."""

from __future__ import annotations

import asyncio
from pathlib import Path

from local.aws import calls, exchanges
from local.aws.athena.service import Athena
from local.aws.gateway import Gateway
from local.aws.glue.crawler import Crawlers
from local.aws.glue.jobs import Jobs
from local.aws.glue.logs import Logs
from local.aws.glue.partitions import Partitions
from local.aws.ministack.cloudformation_gaps import keep_dropped_properties
from local.aws.ministack.emulator import Emulator
from local.aws.ministack.lambdas import sign_with
from local.aws.ministack.named_queries import provide_named_queries
from local.aws.store import Store


class Services:
    """Everything behind the endpoint, for a state folder `home`; Glue scripts run with the Python of `spark_env`.

    They sign with `secret`.

    Every call is noted in the file `record`, if one is given, and each kind of exchange in one beside it.
    """

    def __init__(self, home: Path, endpoint: str, spark_env: Path, secret: str, record: Path | None = None) -> None:
        self._emulator = Emulator(home)
        recorder = calls.Recorder(record) if record else None

        def emulator_for(service: str) -> Emulator:
            return calls.watched_emulator(self._emulator, recorder, service) if recorder else self._emulator

        def partitions_for(service: str) -> Partitions:
            return calls.watched_partitions(partitions, recorder, service) if recorder else partitions

        keep_dropped_properties()
        sign_with(secret)
        provide_named_queries()
        self._store = Store(home / "local.sqlite")
        logs = Logs(emulator_for("glue"))
        partitions = Partitions(self._emulator, self._store)
        self._crawlers = Crawlers(emulator_for("glue"), self._store, partitions_for("glue"), logs)
        self._jobs = Jobs(emulator_for("glue"), self._store, logs, home, endpoint, spark_env, secret)
        self._athena = Athena(emulator_for("athena"), self._store, partitions_for("athena"), home)
        self.gateway = Gateway(
            self._emulator,
            {
                **partitions.handlers(),
                **self._crawlers.handlers(),
                **self._jobs.handlers(),
                **self._athena.handlers(),
            },
            recorder,
            exchanges.Recorder(exchanges.beside(record)) if record else None,
        )

    async def start(self) -> None:
        """Load the saved state and end what a kill left in flight."""
        await self._emulator.startup()
        for service in (self._crawlers, self._jobs, self._athena):
            await asyncio.to_thread(service.recover)

    async def stop(self) -> None:
        """End running jobs and queries, then save."""
        for service in (self._jobs, self._athena, self._crawlers):
            await asyncio.to_thread(service.stop)
        await self._emulator.shutdown()
        self._store.close()
