"""An agent: a model with instructions, tools and settings. It holds no state of a conversation.

What is needed to make an agent or to run one (asyncio, the client, the loop) is imported at that
moment, so a program that imports agentkit starts fast.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Generic, overload

from typing_extensions import TypeVar

from agentkit._check import (
    check_choice,
    check_kind,
    check_model,
    check_optional,
    check_or_default,
    refused,
)
from agentkit.budget import Budget
from agentkit.errors import UsageError
from agentkit.hooks import Hooks, hooks_of
from agentkit.settings import Limits, ModelSettings
from agentkit.tools.output import Output
from agentkit.tools.tool import Approve, Tool, make_tool
from agentkit.tools.toolset import collect
from agentkit.values import APIS, Api

if TYPE_CHECKING:
    from typing import Unpack

    from agentkit.answer import Answer
    from agentkit.conversation import Conversation
    from agentkit.conversation_record import Sessions
    from agentkit.errors import StoppedRun
    from agentkit.images.fetch_policy import FetchPolicy
    from agentkit.images.store import ImageStore
    from agentkit.loop.delegate import Delegation
    from agentkit.loop.prompt import Prompt
    from agentkit.loop.start import ResumeOptions
    from agentkit.openrouter.client import OpenRouter
    from agentkit.openrouter.ledger import Ledger
    from agentkit.run import Run
    from agentkit.run.history import History
    from agentkit.saved_conversation import SavedConversation
    from agentkit.stream import AnswerStream, EventLog
    from agentkit.values import File, Image

OutputT = TypeVar("OutputT", default=Any)


class Agent(Generic[OutputT]):
    """A model with instructions, tools and settings. It holds no state, so one agent can serve many
    conversations at once.

    - `model` is an OpenRouter slug such as `openai/gpt-5.2`.
    - `instructions` is what the model is told before each conversation.
    - `tools` are functions, `@tool` functions, server tools such as `ImageGeneration()`, and
      toolsets.
    - `api` is `"chat"` (Chat Completions) or `"responses"`.
    - `settings` (`ModelSettings`) says how the model is asked: temperature, reasoning, providers, …
    - `limits` (`Limits`) holds for each run by itself.
    - `budget` (`Budget`) holds for all runs of this agent together.
    - `history` (`History`) says how much of earlier turns is sent again.
    - `output` is a pydantic model, or another type with a JSON Schema, that the answer must fit.
      The value is in `answer.output`.
    - `client` (`OpenRouter`) is the connection to use; by default one that all agents share.
    - `store` is where pictures are kept; by default what `AGENTKIT_STORE` names,
      else a folder of the user's.
    - `fetch` (`FetchPolicy`) says from where pictures may be downloaded, and how large they may be.
    - `checks` says whether the catalogue is asked before the first request, so that what the model
      cannot do is refused before anything is sent.
    - `name` is what the logs call this agent.
    - `hooks` (`agentkit.hooks.Hooks`, one or a list) are functions called before and after each
      request and each tool call.
    - `scale` says whether pictures of yours that are too large to be sent are made smaller. If it
      is false, they raise `ImageError`.
    - `ledger` (`Ledger`) writes each paid request and its reply to the disk, so that a process that
      dies loses nothing it had received, and buys nothing twice.

    Raises `UsageError` for an argument that cannot be right.
    """

    def __init__(
        self,
        model: str,
        *,
        instructions: str = "",
        tools: Iterable[object] = (),
        api: Api = "chat",
        settings: ModelSettings | None = None,
        limits: Limits | None = None,
        budget: Budget | None = None,
        history: History | None = None,
        output: type[OutputT] | None = None,
        client: OpenRouter | None = None,
        store: ImageStore | None = None,
        fetch: FetchPolicy | None = None,
        checks: bool = True,
        name: str = "agent",
        hooks: Hooks | Iterable[Hooks] | None = None,
        scale: bool = False,
        ledger: Ledger | None = None,
    ) -> None:
        from agentkit.images.fetch_policy import FetchPolicy
        from agentkit.images.outgoing import Outgoing
        from agentkit.images.stores import given_store
        from agentkit.loop.known import Known
        from agentkit.openrouter.client import OpenRouter
        from agentkit.openrouter.ledger import Ledger
        from agentkit.run.history import History

        self.model = check_model("Agent(model={!r})", model)
        self.instructions = check_kind("Agent(instructions={!r})", instructions, str, "a string")
        self.tools = collect(tools)
        self.api: Api = check_choice("Agent(api={!r})", api, APIS)
        self.settings = check_or_default("Agent(settings={!r})", settings, ModelSettings)
        self.limits = check_or_default("Agent(limits={!r})", limits, Limits)
        self.history = check_or_default("Agent(history={!r})", history, History)
        self.budget: Budget | None = check_optional("budget={!r}", budget, Budget, "Budget(…)")
        self.output: Output[OutputT] | None = Output(output) if output is not None else None
        self._client = check_optional("Agent(client={!r})", client, OpenRouter, "OpenRouter(…)")
        self._store = given_store("Agent", store)
        self.fetch = check_or_default("Agent(fetch={!r})", fetch, FetchPolicy)
        self.outgoing = Outgoing()  # here, so that a picture is converted once for all runs
        self.checks: bool = check_kind("Agent(checks={!r})", checks, bool, "True or False")
        self.name = check_kind("Agent(name={!r})", name, str, "a string")
        self.hooks = hooks_of(hooks)
        self.known = Known()  # here, so that it is worked out once for all runs
        self.scale: bool = check_kind("Agent(scale={!r})", scale, bool, "True or False")
        accepted = "Ledger('folder')"
        self.ledger = check_optional("Agent(ledger={!r})", ledger, Ledger, accepted)
        self._check_choice()

    def _check_choice(self) -> None:
        choice = self.settings.tool_choice
        names = [*self.tools.functions, *(tool.name for tool in self.tools.server)]
        if self.tools.makers:
            return  # which names there will be is not known yet
        known = ("auto", "none", "required", *names)
        if choice is not None and choice not in known:
            accepted = f"here is one of {', '.join(map(repr, known))}"
            raise refused("ModelSettings(tool_choice={!r})", choice, accepted)
        if choice is not None and choice not in {"auto", "none"} and not names:
            raise UsageError(f"ModelSettings(tool_choice={choice!r}): the agent has no tools")

    def __repr__(self) -> str:
        tools = [*self.tools.functions, *(tool.name for tool in self.tools.server)]
        return f"Agent({self.model!r}, api={self.api!r}, tools={tools})"

    @property
    def store(self) -> ImageStore:
        """The store that was given; without one, the one in the folder that the environment names
        now.
        """
        if self._store is not None:
            return self._store
        from agentkit.images.stores import default_store

        return default_store()

    @property
    def client(self) -> OpenRouter:
        """The client that was given; without one, the shared client for the key and address that
        the environment names now.
        """
        if self._client is not None:
            return self._client
        from agentkit.openrouter.client import shared_client

        return shared_client()

    @overload
    def conversation(
        self,
        *,
        api: Api | None = None,
        model: str | None = None,
        run: Run | StoppedRun | None = None,
    ) -> Conversation[OutputT]: ...
    @overload
    def conversation(
        self,
        name: str,
        *,
        sessions: Sessions,
        api: Api | None = None,
        model: str | None = None,
        user: str | None = None,
        wait: float | None = None,
    ) -> SavedConversation[OutputT]: ...
    def conversation(
        self,
        name: str | None = None,
        *,
        sessions: Sessions | None = None,
        api: Api | None = None,
        model: str | None = None,
        run: Run | StoppedRun | None = None,
        user: str | None = None,
        wait: float | None = None,
    ) -> Conversation[OutputT]:
        """A conversation of many turns.

        - With `run`, it continues the conversation whose last turn was this run; `chat.usage`
          counts from `run` on. A run that waits for a person, or that an error stopped, is not a
          turn yet: `chat.resume(run)` continues it.
        - With a name and `sessions`, it is the one of that name in a database, or a new one, and
          every turn is added to it. The database is read at once. `user` is whom a new one belongs
          to, and nobody else may have one that is there. `wait` is how many seconds a turn waits
          for another writer.
        - `api` and `model` default to those of the agent, or of what is continued.

        Raises `UsageError` for what does not go together, and `SessionError`.
        """
        from agentkit.conversation import Conversation
        from agentkit.saved_conversation import SavedConversation

        if sessions is None and (name, user, wait) != (None, None, None):
            raise UsageError(
                f"conversation({name!r:.80}): a name, user= and wait= need sessions=Sessions(…), "
                "where the conversation is kept"
            )
        if sessions is not None:
            if run is not None or name is None:
                raise UsageError(
                    "conversation(sessions=…): accepted is the name of the conversation in it, and "
                    "no run: chat.adopt(run) adds one"
                )
            if not callable(getattr(sessions, "record", None)):
                raise refused("conversation(sessions={!r})", sessions, "is Sessions('sqlite:///…')")
            record = sessions.record(name, self, user=user)
            seconds = sessions.wait if wait is None else wait
            return SavedConversation(self, record, api=api, model=model, wait=seconds)
        if run is None:
            return Conversation(self, api=api, model=model)
        return Conversation.after(self, run, api=api, model=model)

    async def run(
        self, prompt: Prompt, *, deps: Any = None, budget: Budget | None = None
    ) -> Answer[OutputT]:
        """One turn on its own. A prompt is a string, an image, or a list of both.

        Tools get `deps` in their `Context`. What the turn spends counts against `budget` and
        against the agent's own budget.

        Raises `UsageError` or `ImageError` for a prompt that cannot be sent, and a `RunError` if
        the run stops; its `run` has all that had arrived.
        """
        return await self._once().send(prompt, deps=deps, budget=budget)

    def run_sync(
        self, prompt: Prompt, *, deps: Any = None, budget: Budget | None = None
    ) -> Answer[OutputT]:
        """`run` for code that is not async."""
        from agentkit._sync import run_sync

        return run_sync(self.run(prompt, deps=deps, budget=budget), grace=self.fetch.grace)

    def stream(
        self, prompt: Prompt, *, deps: Any = None, budget: Budget | None = None
    ) -> AnswerStream[OutputT]:
        """One turn on its own, with events while it runs:

            async with agent.stream("Draw a fox") as stream:
                async for event in stream: ...

        Leaving the block early stops the run.
        """
        return self._once().stream(prompt, deps=deps, budget=budget)

    def as_tool(
        self,
        name: str,
        description: str = "",
        *,
        timeout: float | None = None,
        approve: Approve = False,
    ) -> Tool[..., Any]:
        """This agent as a tool of another agent, which calls it with a task in words, and with
        pictures and files by their handles.

        Each call is a run of its own, without the caller's history. The caller gets its words,
        pictures and files. Time, money, pictures, tool calls and output tokens are taken from the
        caller's limits; `deps` are the caller's.

        If one of its tools waits for a person, the caller waits too: `answer.pending` names such a
        call `CALL/ID`. An error goes to the caller's model; what was spent and drawn until then is
        kept.

        `timeout` and `approve` are those of `tool`. Raises `ToolDefinitionError` for a name that
        cannot be used.
        """
        from agentkit.loop.delegate import SubAgent

        agent = SubAgent(name, self.run, self._delegated)
        return make_tool(
            agent, name=name, description=description or None, timeout=timeout, approve=approve
        )

    async def resume(
        self, run: Run | StoppedRun, **options: Unpack[ResumeOptions]
    ) -> Answer[OutputT]:
        """Continue a run: one that paused, with what a person decided, or one that an error
        stopped.

            answer = await agent.resume(answer.run, approve={call.id: True})

        - `approve` maps the id of a call to True, False, `Denied("why")` or `Edited({…})`
          (`agentkit.tools.Edited`: yes, with other arguments).
        - `results` maps the id of an external tool's call to its result.
        - `answers` maps the id of a call that asks a person (`call.question`) to the answer, a
          mapping that fits `call.question.schema`, or to False for no.
        - `outcomes` maps the key of a request whose outcome is unknown to `"again"` or `"give_up"`.
        - `deps` and `budget` are those of `run`.

        Raises `UsageError` for a decision that no call waits for; otherwise it raises as `run`
        does.
        """
        return await self._holding(run).resume(run, **options)

    def resume_sync(
        self, run: Run | StoppedRun, **options: Unpack[ResumeOptions]
    ) -> Answer[OutputT]:
        """`resume` for code that is not async."""
        from agentkit._sync import run_sync

        return run_sync(self.resume(run, **options), grace=self.fetch.grace)

    def resume_stream(
        self, run: Run | StoppedRun, **options: Unpack[ResumeOptions]
    ) -> AnswerStream[OutputT]:
        """`resume` with events while it runs:
        `async with agent.resume_stream(run, approve={…}) as stream`.

        Its events begin where the run goes on. `stream.answer` has all of the run.
        """
        return self._holding(run).resume_stream(run, **options)

    def _once(self) -> Conversation[OutputT]:
        """A conversation for one run."""
        from agentkit.conversation import Conversation

        return Conversation.for_one_run(self)

    def _holding(self, run: Run | StoppedRun) -> Conversation[OutputT]:
        """The conversation as it was before this run. Raises `UsageError` for what is no run."""
        from agentkit.conversation import Conversation

        return Conversation.holding(self, run)

    async def _delegated(
        self, prompt: Sequence[str | Image | File], task: Delegation, log: EventLog
    ) -> Answer[OutputT]:
        """A run of this agent as a tool of another."""
        chat = self._once() if task.begun is None else self._holding(task.begun)
        return await chat.delegated(prompt, task, log)
