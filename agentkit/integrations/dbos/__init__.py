"""Runs that outlive their process, and workers on any number of machines, on DBOS.

It needs the extra `durable`: `pip install 'agentkit-openrouter[durable]'`.
"""

from agentkit.integrations.dbos.durable import Durable, DurableRun
from agentkit.integrations.dbos.queue import Queue
from agentkit.integrations.dbos.states import RunState
from agentkit.integrations.dbos.worker import Worker

__all__ = ["Durable", "DurableRun", "Queue", "RunState", "Worker"]
