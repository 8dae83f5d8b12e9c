"""The processes of the cluster, and what came of its runs."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from agentkit.emulator import Emulator
from agentkit.images import ObjectImageStore
from agentkit.integrations.dbos import Durable, RunState
from tests.buckets import KEY, SECRET, Service
from tests.cluster.talk import PATIENCE, TOKEN, Client, Told
from tests.postgres import programs, running_server

ROOT = Path(__file__).parents[2]
_BUCKET = "pictures-of-the-cluster"


def database_of(folder: Path) -> str:
    """An empty database: Postgres where its programs are installed."""
    if programs() is None:
        return f"sqlite:///{folder / 'runs.db'}"
    server, name = running_server(), f"cluster_{secrets.token_hex(4)}"
    server.execute(f"CREATE DATABASE {name}")
    return server.url(name)


@dataclass
class Found:
    """What came of the runs."""

    states: list[RunState]
    told: Mapping[str, Told]
    sent: Counter[str]
    """Requests that were sent, by run."""
    charges: int
    pictures: Mapping[str, int]
    """Bytes of those in the store whose digest is right, by digest."""
    stored: int
    seconds: float
    cpu_seconds: float

    def lines(self) -> list[str]:
        statuses = Counter(each.status for each in self.states)
        moved = sum(each.moved for each in self.told.values())
        runs = len(self.states)
        again = sum(count - 1 for count in self.sent.values())
        cost = 1000 * self.cpu_seconds / runs
        paid = f"{again} sent again, {self.charges} were paid"
        return [
            f"runs: {', '.join(f'{count} {status}' for status, count in statuses.items())}",
            f"pictures: {len(self.pictures)} whole in the store, {self.stored} bytes",
            f"readers that went to the other web process: {moved}",
            f"requests: {self.sent.total()} for {runs} runs, {paid}",
            f"{runs / self.seconds:.1f} runs a second, {cost:.0f} ms of a processor a run",
        ]

    def faults(self) -> list[str]:
        faults: list[str] = []
        for each in self.states:
            told = self.told[each.conversation]
            asks = each.status == "waiting" and "outcome" in (each.waits_for or "")
            if each.status != "completed" and not asks:
                faults.append(f"{each.id} is {each.status}: {each.error or each.waits_for}")
            if each.status == "completed" and len(told.pictures) != 1:
                faults.append(f"{each.id}: {len(told.pictures)} pictures were told")
            faults += [f"{each.id}: {sha256[:12]}… is not there, or not whole"
                       for sha256 in told.pictures if sha256 not in self.pictures]  # fmt: skip
            if told.kinds.count("finish") != 1:
                faults.append(f"{each.id}: its end was not told once")
        if self.charges > len(self.states):
            faults.append(f"{self.charges} requests were paid for {len(self.states)} runs")
        if self.stored != sum(self.pictures.values()):
            faults.append("the store has pictures that no run has")
        return faults


@dataclass
class Cluster:
    folder: Path
    database: str
    emulator: Emulator
    service: Service
    fronts: dict[int, subprocess.Popen[str]] = field(default_factory=dict)
    """By port."""
    workers: dict[str, subprocess.Popen[str]] = field(default_factory=dict)
    """By the name that the database knows."""
    _began: float = 0.0

    @property
    def ports(self) -> list[int]:
        return list(self.fronts)

    def begin(self, *, fronts: int, workers: int, at_once: int) -> None:
        self.service.bucket(_BUCKET)
        for number in range(workers):
            words = ["-m", "agentkit", "worker", "-A", f"{ROOT}/tests/cluster/agents.py:painter"]
            words += ["--db", self.database, "-n", str(at_once)]
            process = self._started(words, f"worker-{number}")
            self.workers[_said(process)] = process
        for number in range(fronts):
            words = ["-m", "agentkit", "serve", "-A", f"{ROOT}/tests/cluster/agents.py:painter"]
            words += ["--durable", self.database, "--port", "0", "--token", TOKEN]
            process = self._started(words, f"web-{number}")
            port = urlsplit(_said(process)).port
            assert port is not None
            self.fronts[port] = process
        self._began = time.monotonic()

    def _started(self, words: list[str], name: str) -> subprocess.Popen[str]:
        """A process with a home of its own: nothing is shared but the database and the bucket."""
        home = self.folder / name
        home.mkdir()
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "HOME": str(home),
            "AGENTKIT_STORE": f"s3://{_BUCKET}/{self.folder.name}",
            "AWS_ENDPOINT_URL": self.service.origin,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
            "OPENROUTER_BASE_URL": self.emulator.base_url,
            "OPENROUTER_API_KEY": self.emulator.api_key or "sk-or-of-the-cluster",
            "NO_PROXY": "*",
        }
        errors = (home / "stderr").open("w")
        with errors:
            return subprocess.Popen(
                [sys.executable, *words],
                env=environment,
                cwd=home,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def kill_a_busy_worker(self) -> str:
        """Kill a worker while it has a run under way; its name."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            states = asyncio.run(self._states())
            for state in states:
                if state.status == "running" and state.executor in self.workers:
                    self.workers.pop(state.executor).send_signal(signal.SIGKILL)
                    return state.executor
            if not any(state.status in {"queued", "running"} for state in states):
                break
            time.sleep(0.02)
        raise TimeoutError("no worker was at work: give it more runs")

    def kill_a_front(self) -> int:
        port = next(iter(self.fronts))
        self.fronts.pop(port).send_signal(signal.SIGKILL)
        return port

    def end(self) -> None:
        for process in (*self.fronts.values(), *self.workers.values()):
            process.terminate()
        for process in (*self.fronts.values(), *self.workers.values()):
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()

    async def _states(self) -> list[RunState]:
        durable = Durable(self.database, shared_folder=True)
        try:
            return await durable.list(limit=1000)
        finally:
            await durable.close()

    def found(self, client: Client) -> Found:
        seconds = time.monotonic() - self._began
        store = self.store()
        pictures: dict[str, int] = {}
        for sha256 in {each for told in client.told.values() for each in told.pictures}:
            with store.open(sha256) as file:
                data = file.read()
            if hashlib.sha256(data).hexdigest() == sha256:
                pictures[sha256] = len(data)
        asked = [json.dumps(each.body) for each in self.emulator.requests if each.method == "POST"]
        sent = Counter(
            {
                name: sum(f'"{client.prompt_of(name)}"' in body for body in asked)
                for name in client.told
            }
        )
        states = asyncio.run(self._states())
        charges = len(self.emulator.ledger)
        cpu = self.cpu_seconds()
        return Found(states, client.told, sent, charges, pictures, store.size(), seconds, cpu)

    def store(self) -> ObjectImageStore:
        """The pictures, as another machine reads them."""
        return ObjectImageStore(
            f"s3://{_BUCKET}/{self.folder.name}",
            config=self.service.config(),
            spool=self.folder / "reader",
        )

    def cpu_seconds(self) -> float:
        """What the processes that live have used of a processor."""
        return sum(map(_cpu_seconds, (*self.fronts.values(), *self.workers.values())))


def _said(process: subprocess.Popen[str]) -> str:
    """The first line that a process prints."""
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    if not line:
        raise RuntimeError(f"{process.args} ended with {process.wait()}; see its stderr")
    return line


def _cpu_seconds(process: subprocess.Popen[str]) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
