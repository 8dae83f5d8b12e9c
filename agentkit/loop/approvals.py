"""Calls that wait for a person: which are held, what a person is asked, what was decided, and that
an approval is used once.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal

from agentkit._check import check_choice, check_mapping
from agentkit._log import logger
from agentkit.errors import UsageError
from agentkit.events import InvocationStarted
from agentkit.images.ingest import ingest
from agentkit.loop import outcomes
from agentkit.loop.context import RunContext
from agentkit.loop.decisions import AnswerToCall, Approvals, Decisions, UsedApprovals
from agentkit.loop.delegate import is_agent, nested_in
from agentkit.loop.tool_results import (
    ToolOutcome,
    applied,
    denied,
    files_stored,
    without_agents,
)
from agentkit.openrouter.stored_call import VERDICTS
from agentkit.run import Nested, Run, Waiting
from agentkit.run.state import is_request
from agentkit.run.step import calls_left
from agentkit.stream import EventLog
from agentkit.tools import BadArguments, Denied, Edited, Tool, ToolResultError, encode_result
from agentkit.tools.asking import answer_to
from agentkit.values import Asked, Given, Invocation, Question, Text, ToolResult, replace

WaitingFor = Literal["approval", "answer", "result", "agent", "outcome"]


def hold(run: Run, context: RunContext) -> Run:
    """The run with those calls of its last reply held that wait for a person, for a result from
    outside, or for an agent that waits.

    It is asked anew whenever a run goes on, so nothing that a saved run says lets a call pass.
    """
    pending, functions = run.pending, context.tools.functions
    asking = [
        (invocation, tool)
        for invocation in pending
        if (tool := functions.get(invocation.name)) is not None
        and (tool.approve is not False or tool.external or is_agent(tool))
    ]
    if not asking:
        return run
    calls = {call.id for call in run.shared_messages.last.calls}
    held = {each.call_id for each in run.waiting}
    within_limits = {each.id for each in pending[: calls_left(run)]}
    waiting = list(run.waiting)
    for invocation, tool in asking:
        if invocation.arguments is None or invocation.id not in calls:
            continue  # it fails when it is called; or it belongs to an agent that waits
        if invocation.id in held or invocation.id in context.approvals.nested:
            continue
        is_within = invocation.id in within_limits
        why = _waits_for(run, invocation, tool, context, is_within_limits=is_within)
        if why is not None:
            waiting.append(_question(run, invocation, why))
    return run if len(waiting) == len(run.waiting) else replace(run, waiting=tuple(waiting))


def tell_waiting(run: Run, log: EventLog) -> None:
    """Tell each call that waits for a person, before the run pauses."""
    asked = {each.call_id for each in run.waiting if each.why != "agent"}
    for invocation in run.pending:
        if invocation.id in asked:
            log.tell(InvocationStarted(replace(invocation, status="pending")))


def _waits_for(
    run: Run,
    invocation: Invocation,
    tool: Tool[..., Any],
    context: RunContext,
    *,
    is_within_limits: bool,
) -> WaitingFor | None:
    if is_agent(tool) and nested_in(run, invocation.id) is not None:
        # What it waits for stands in this run too, unless a crash came before: then it asks anew.
        asks = any(each.call_id.startswith(f"{invocation.id}/") for each in run.waiting)
        return "agent" if asks else None
    if not tool.external and tool.approve is False:
        return None
    if not is_within_limits:
        return None  # nobody is asked about a call that will not be run
    if tool.external:
        return "result"
    return "approval" if _needs_a_person(run, invocation, tool, context) else None


def _needs_a_person(
    run: Run, invocation: Invocation, tool: Tool[..., Any], context: RunContext
) -> bool:
    """Whether a person is asked. A call whose arguments do not fit is shown to nobody: it will
    fail.
    """
    approvals = context.approvals
    question = approvals.granted.get(run.fingerprint(invocation))
    # It may be used up already: some providers give the same id to a second call.
    if question is not None and question not in approvals.used:
        return False
    try:
        arguments = tool.check(invocation.arguments or {}, images=run.image, files=run.file)
    except BadArguments:
        return False
    return needs_approval(tool, arguments)


def needs_approval(tool: Tool[..., Any], arguments: Mapping[str, object]) -> bool:
    """Whether the tool wants an approval for these arguments. A function that fails to say so asks
    for one: only a plain no lets a call pass.
    """
    try:
        return tool.needs_approval(arguments)
    except Exception as error:  # noqa: BLE001 - the user's own function
        logger().warning("approve_function_failed", tool=tool.name, error=str(error))
        return True


def _question(run: Run, invocation: Invocation, why: WaitingFor) -> Waiting:
    """A new question about this call. Its nonce makes the answers to older ones useless."""
    nonce = secrets.token_hex(8)
    return Waiting(invocation.id, why, run.fingerprint(invocation, nonce), nonce)


def use_approval(
    run: Run,
    context: RunContext,
    tool: Tool[..., Any],
    invocation: Invocation,
    arguments: Mapping[str, object],
) -> None:
    """The last check before a call is run: use up its approval, if it needs one, or the answer with
    which it goes on. Raises `ToolResultError` if a person has to agree and has not, or has agreed
    to one run only.
    """
    goes_on = is_agent(tool) and nested_in(run, invocation.id) is not None
    granted = context.approvals.granted
    if goes_on or (tool.approve is False and not granted):
        return
    question = granted.get(run.fingerprint(invocation))
    if question is None and tool.approve is not False and needs_approval(tool, arguments):
        raise ToolResultError(
            "not run: this call needs the approval of a person, who was not asked; make it again"
        )
    if question is not None and not context.approvals.used.use(question):
        raise ToolResultError("not run: the approval of this call was used before")


async def decided(
    run: Run, decisions: Decisions, context: RunContext, log: EventLog
) -> tuple[Run, RunContext]:
    """The run with these decisions taken, and the context that knows what was agreed to.

    Raises `UsageError` for an id that does not wait for such a decision, a value that is no
    decision, a call that was changed after it was shown, and an approval that was used before.
    """
    used = context.approvals.used
    run = _ready_to_decide(run, {*decisions.approve, *decisions.answers}, used)
    _check(run, decisions, used)
    own, nested = decisions.apart([each.call_id for each in run.nested])
    run = await outcomes.decided(run, own.outcomes, context.calls)
    if run.status == "interrupted":
        return given_up(run), context
    run = replace(run, partial=None)
    waiting = {each.call_id: each for each in run.waiting}
    pending = {each.id: each for each in (*run.pending, *run.requested)}
    run = _released(run, {*own.approve, *own.results, *own.answers, *nested})
    run, granted = _answered(run, own.answers, waiting, pending)
    edited = _edited(own.approve, pending, run, context)
    for call_id, verdict in own.approve.items():
        question = waiting[call_id]
        invocation = _shown(run, pending, question, "approve", "; it is not run")
        if invocation.executor == "server":
            run = _told_to_service(run, invocation, verdict, question, used)
            continue
        if call_id in edited:
            invocation = edited[call_id]
            run = run.with_invocation(invocation)
        if verdict is True or call_id in edited:
            granted[run.fingerprint(invocation)] = question.fingerprint
        else:
            reason = verdict.reason if isinstance(verdict, Denied) else Denied().reason
            words = f"not run: the user denied this call ({reason})"
            run = denied(run, invocation, words, reason, log)
    for call_id, value in own.results.items():
        invocation = _shown(run, pending, waiting[call_id], "results")
        run = await _with_outside_result(run, invocation, value, context, log)
    approvals = Approvals(granted, nested, used)
    return replace(run, status="running"), replace(context, approvals=approvals)


def _told_to_service(
    run: Run,
    invocation: Invocation,
    verdict: AnswerToCall,
    question: Waiting,
    used: UsedApprovals,
) -> Run:
    """The run with a decision on a call that the service runs itself: the next request tells it."""
    is_yes = verdict is True
    if is_yes and not used.use(question.fingerprint):
        raise UsageError(f"resume(approve={{{invocation.id!r}: True}}): it was used before")
    reason = "" if is_yes else (verdict if isinstance(verdict, Denied) else Denied()).reason
    ended = replace(
        invocation, status="completed" if is_yes else "denied", error=None if is_yes else reason
    )
    told = ToolResult(invocation.id, invocation.name, (Text(reason),), approved=is_yes)
    return run.with_verdict(ended, told)


def _answered(
    run: Run,
    answers: Mapping[str, object],
    waiting: Mapping[str, Waiting],
    pending: Mapping[str, Invocation],
) -> tuple[Run, dict[str, str]]:
    """The run with what a person answered, and the calls that they so agreed to go on with: an
    answer stands for an approval, a no does not.
    """
    granted: dict[str, str] = {}
    for call_id, value in answers.items():
        question = waiting[call_id]
        call = _shown(run, pending, question, "answers")
        answer = answer_to(call.question, value, _where(call_id))
        if answer is not None:
            granted[run.fingerprint(call)] = question.fingerprint
        before = run.asked_by(call_id) or Asked(call_id)
        given = Given(call.question or Question(""), answer)
        run = run.with_asked(replace(before, given=(*before.given, given)))
        run = run.with_invocation(replace(call, question=None))
    return run, granted


def _where(call_id: str) -> str:
    return f"resume(answers={{{call_id!r}: …}})"


def _shown(
    run: Run,
    pending: Mapping[str, Invocation],
    question: Waiting,
    argument: str,
    effect: str = "",
) -> Invocation:
    """The call that a question is about. Raises `UsageError` if it is not as it was shown."""
    call_id = question.call_id
    invocation = pending.get(call_id)
    if invocation is None:
        raise UsageError(f"run {run.id} says that {call_id!r} waits, and holds no such call")
    if question.fingerprint != run.fingerprint(invocation, question.nonce):
        raise UsageError(
            f"resume({argument}={{{call_id!r}: …}}): the call was changed "
            f"after it was shown{effect}"
        )
    return invocation


def _edited(
    approve: Mapping[str, AnswerToCall],
    pending: Mapping[str, Invocation],
    run: Run,
    context: RunContext,
) -> dict[str, Invocation]:
    """The calls that get other arguments, by id, with these. Raises `UsageError` for arguments that
    the tool does not take.
    """
    found: dict[str, Invocation] = {}
    for call_id, verdict in approve.items():
        if not isinstance(verdict, Edited) or call_id not in pending:
            continue
        where = f"resume(approve={{{call_id!r}: Edited({{!r}})}})"
        if pending[call_id].executor == "server":
            raise UsageError(
                f"{where.replace('{!r}', '…')}: the service runs this call as it is; accepted are "
                "True, False and Denied('why')"
            )
        given = check_mapping(where, verdict.arguments, "is a mapping of arguments")
        invocation = replace(pending[call_id], arguments=dict(given))
        try:
            if (tool := context.tools.functions.get(invocation.name)) is not None:
                tool.check(invocation.arguments or {}, images=run.image, files=run.file)
        except BadArguments as error:
            raise UsageError(f"{where.replace('{!r}', '…')}: {error}") from None
        found[call_id] = invocation
    return found


async def _with_outside_result(
    run: Run, invocation: Invocation, value: object, context: RunContext, log: EventLog
) -> Run:
    call_id = invocation.id
    try:
        encoded = encode_result(value)
    except ToolResultError as error:
        raise UsageError(f"resume(results={{{call_id!r}: …}}): {error}") from error
    store, fetcher = context.services.store, context.services.fetcher
    pictures = [(image, await ingest(image, store, fetcher)) for image in encoded.images]
    files = await files_stored(encoded.files, context)
    completed = replace(invocation, status="completed")
    return applied(run, ToolOutcome(completed, encoded, tuple(pictures), files), log)


def asked_again(run: Run, context: RunContext) -> Run:
    """A run that was cancelled. Calls that were agreed to and have no result wait again: whether
    they may be run once more is for a person to say.
    """
    approvals = context.approvals
    held = {each.call_id for each in run.waiting}
    again = [
        each
        for each in run.pending
        if each.id not in held and run.fingerprint(each) in approvals.granted
    ]
    if not again and not approvals.nested:
        return run
    waiting = (*run.waiting, *(_question(run, each, "approval") for each in again))
    return replace(run, status="paused" if waiting else run.status, waiting=waiting)


def _ready_to_decide(run: Run, approve: Iterable[str], used: UsedApprovals) -> Run:
    """The run as its decisions are taken: with an invocation for each call of its last message (a
    call that a saved run hides would never get a result), and without arguments that no person was
    shown: those are parsed again, and seen by the hooks.
    """
    run = _with_new_questions(run, approve, used)
    shown = {each.call_id for each in run.waiting}
    unseen = [replace(each, arguments=None) for each in run.pending if each.id not in shown]
    run = run.with_invocation(*unseen)
    known = {each.id for each in run.pending} | {each.call_id for each in run.results}
    calls = run.shared_messages.last.calls
    hidden = [Invocation(call.id, call.name) for call in calls if call.id not in known]
    return replace(run, invocations=(*run.invocations, *hidden)) if hidden else run


def _with_new_questions(run: Run, approve: Iterable[str], used: UsedApprovals) -> Run:
    """The run with a new question where the answer to the old one was used up, by a part of the run
    that was stopped, and no answer is given now.
    """
    given, pending = set(approve), {each.id: each for each in run.pending}
    inner: dict[str, Waiting] = {}
    nested: list[Nested] = []
    for agent in run.nested:
        prefix = f"{agent.call_id}/"
        own = [call_id.removeprefix(prefix) for call_id in given if call_id.startswith(prefix)]
        sub = _with_new_questions(agent.run, own, used)
        for question in sub.waiting:
            call_id = prefix + question.call_id
            inner[call_id] = replace(question, call_id=call_id)
        nested.append(replace(agent, run=sub))
    waiting: list[Waiting] = []
    for each in run.waiting:
        invocation = pending.get(each.call_id)
        is_used = each.fingerprint in used and each.call_id not in given
        is_asked = each.why == "approval" or each.why == "answer"
        if each.call_id in inner:
            waiting.append(inner[each.call_id])
        elif invocation is not None and is_asked and is_used:
            waiting.append(_question(run, invocation, each.why))
        else:
            waiting.append(each)
    return replace(run, waiting=tuple(waiting), nested=tuple(nested))


def _released(run: Run, call_ids: Collection[str]) -> Run:
    return replace(run, waiting=tuple(each for each in run.waiting if each.call_id not in call_ids))


def _check(run: Run, decisions: Decisions, used: UsedApprovals) -> None:
    """Whether these are decisions on calls that wait for them. Raises `UsageError`."""
    waiting = {each.call_id: each for each in run.waiting}
    _check_ids(decisions.approve, waiting, "approval", "approve")
    _check_ids(decisions.results, waiting, "result", "results")
    _check_ids(decisions.outcomes, waiting, "outcome", "outcomes")
    _check_ids(decisions.answers, waiting, "answer", "answers")
    calls = {each.id: each for each in run.invocations}
    for call_id, value in decisions.answers.items():
        call = calls.get(call_id)
        answer = answer_to(None if call is None else call.question, value, _where(call_id))
        if answer is not None and waiting[call_id].fingerprint in used:
            raise UsageError(
                f"{_where(call_id)}: this question was answered before; go on with the run that "
                "came of it, or resume(run) without it, to be asked again"
            )
    for call_id, verdict in decisions.approve.items():
        is_yes = verdict is True or isinstance(verdict, Edited)
        if is_yes and waiting[call_id].fingerprint in used:
            raise UsageError(
                f"resume(approve={{{call_id!r}: True}}): this approval was used before; "
                "go on with the run that came of it, or "
                "resume(run) without it, to be asked again"
            )


def _check_ids(
    given: Mapping[str, object], waiting: Mapping[str, Waiting], why: WaitingFor, argument: str
) -> None:
    for call_id, value in given.items():
        if call_id not in waiting or waiting[call_id].why != why:
            others = [_told(each) for each in waiting.values() if each.why != "agent"]
            raise UsageError(
                f"resume({argument}={{{call_id!r}: …}}): no call with this id "
                f"waits for that; waiting: {', '.join(others) or 'none'}"
            )
        if why == "approval" and not isinstance(value, bool | Denied | Edited):
            raise UsageError(
                f"resume(approve={{{call_id!r}: {value!r}}}): accepted are "
                "True, False and Denied('why'), and Edited({…})"
            )
        if why == "outcome":
            check_choice(f"resume(outcomes={{{call_id!r}: {{!r}}}})", value, VERDICTS)


def _told(question: Waiting) -> str:
    """A call that waits, and how to give what it waits for."""
    wanted = _WANTED[question.why]
    return f"{question.call_id!r} for {wanted}"


_WANTED: Mapping[WaitingFor, str] = {
    "approval": "an approval (approve=)",
    "answer": "an answer (answers=)",
    "result": "a result (results=)",
    "outcome": "an outcome (outcomes=)",
    "agent": "an agent",
}


def given_up(run: Run) -> Run:
    """The run as a turn that is over. Calls without a result get one that says they were
    cancelled.
    """
    requested = {each.id for each in run.requested}
    run = without_agents(run)
    own = {call.id for call in run.shared_messages.last.calls}
    words = (Text("cancelled: the run was stopped"),)
    run = replace(run, waiting=())
    for invocation in run.pending:
        ended = replace(invocation, status="cancelled", error="cancelled", question=None)
        if ended.id in own:
            run = run.with_result(ended, ToolResult(ended.id, ended.name, words, error=True))
        else:
            run = run.with_invocation(ended)
    for invocation in filter(is_request, run.invocations):
        ended = replace(invocation, status="cancelled", error="cancelled")
        no = ToolResult(ended.id, ended.name, words, approved=False)
        is_own = ended.id in requested
        run = run.with_verdict(ended, no) if is_own else run.with_invocation(ended)
    if run.partial is not None:
        run = replace(run, messages=run.shared_messages.with_more(run.partial), partial=None)
    status = "interrupted" if run.status in {"running", "paused"} else run.status
    return replace(run, status=status, waiting=())
