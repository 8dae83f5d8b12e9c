"""The spec drives the emulator: requests that schemathesis makes up from it get no 5xx, and nothing
that the spec does not have.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from agentkit.emulator import CallTool, Draw, Emulator, Failure, Reply, Say, Think
from tests.clock import GUARD
from tests.conftest import examples
from tests.recorded.schemas import Spec
from tests.recorded.traffic import events_in

SERVED = {
    "/chat/completions": "post",
    "/responses": "post",
    "/images": "post",
    "/images/models": "get",
    "/images/models/{author}/{slug}/endpoints": "get",
    "/models": "get",
    "/generation": "get",
    "/key": "get",
}
POSTS = [path for path, method in SERVED.items() if method == "post"]
MODELS = (
    "openai/gpt-5.2",
    "google/gemini-2.5-flash-image",
    "black-forest-labs/flux.2-pro",
    "recraft/recraft-v4-vector",
)


PROMPTS = ("Draw a fox in the snow", "What is the weather in Oslo?", "Hello", None)
KEY = {"authorization": "Bearer sk-or-test"}
BOUNDED = settings(
    max_examples=examples(20),
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator() as running:
        yield running


@pytest.fixture(scope="session")
def operations(spec: Spec) -> dict[str, Any]:
    import schemathesis  # slow to load: not where these tests do not run

    document = deepcopy(spec.document)
    document["paths"] = {path: document["paths"][path] for path in SERVED}
    schema = schemathesis.openapi.from_dict(document)
    return {path: schema[path][method.upper()] for path, method in SERVED.items()}


def generation(emulator: Emulator) -> str:
    """The id of a reply that was billed."""
    if not emulator.ledger:
        body = {"model": MODELS[0], "messages": [{"role": "user", "content": "Hello"}]}
        httpx2.post(
            f"{emulator.base_url}/chat/completions", json=body, headers=KEY, trust_env=False
        )
    return emulator.ledger[0].generation_id


def faults(spec: Spec, path: str, response: Any) -> list[str]:
    """What is wrong with this answer."""
    told = spec.document["paths"][path][SERVED[path]]["responses"]
    status, body = str(response.status_code), response.content
    kind = response.headers["content-type"]
    kind = (kind if isinstance(kind, str) else kind[0]).partition(";")[
        0
    ]  # schemathesis has lists of values
    if status not in told or kind not in told[status]["content"]:
        return [f"HTTP {status} with {kind} is not in the spec: {body[:200]!r}"]
    steps = ("paths", path, SERVED[path], "responses", status, "content", kind, "schema")
    pointer = "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)
    values = (
        [{"data": event} for event in events_in(body)]
        if kind == "text/event-stream"
        else [json.loads(body)]
    )
    return [fault for value in values for fault in spec.faults(pointer, value)]


def made_plausible(body: dict[str, Any], path: str, model: str, prompt: str | None) -> None:
    """Made-up bodies are turned down at the door: a model that is served, and a plain prompt, let
    their other fields be read.
    """
    body["model"] = model
    for name in ("models", "store", "background", "previous_response_id"):
        body.pop(name, None)
    if path == "/images":  # many large pictures take long to paint
        body.update(n=min(body.get("n") or 1, 2), resolution="1K")
        body.pop("size", None)
    if prompt is not None:
        field = {"/chat/completions": "messages", "/responses": "input", "/images": "prompt"}[path]
        body[field] = prompt if path == "/images" else [{"role": "user", "content": prompt}]


@pytest.mark.parametrize("path", POSTS)
def test_no_answer_to_a_post_is_outside_the_spec(
    path: str, spec: Spec, operations: dict[str, Any], emulator: Emulator
) -> None:
    statuses: Counter[int] = Counter()
    models = MODELS[1:] if path == "/images" else MODELS[:3]

    @given(
        case=operations[path].as_strategy(),
        model=st.sampled_from((*models, None)),
        prompt=st.sampled_from(PROMPTS),
    )
    @BOUNDED
    def ask(case: Any, model: str | None, prompt: str | None) -> None:
        if model is not None and isinstance(case.body, dict):
            made_plausible(case.body, path, model, prompt)
        response = case.call(base_url=emulator.base_url, headers=KEY)
        statuses[response.status_code] += 1
        assert response.status_code < 500
        assert faults(spec, path, response) == []

    ask()
    assert statuses[200] >= 5, statuses


@pytest.mark.parametrize("path", [path for path, method in SERVED.items() if method == "get"])
def test_no_answer_to_a_get_is_outside_the_spec(
    path: str, spec: Spec, operations: dict[str, Any], emulator: Emulator
) -> None:
    @given(case=operations[path].as_strategy(), known=st.booleans())
    @BOUNDED
    def ask(case: Any, known: bool) -> None:
        if known and path.endswith("/endpoints"):
            case.path_parameters = {"author": "google", "slug": "gemini-2.5-flash-image"}
        if known and path == "/generation":
            case.query = {"id": generation(emulator)}
        response = case.call(base_url=emulator.base_url, headers=KEY)
        assert response.status_code < 500
        assert faults(spec, path, response) == []

    ask()


@pytest.mark.parametrize(
    "path", ["/chat/completions", "/responses", "/images", "/generation?id=gen-1", "/key"]
)
def test_without_a_key(path: str, spec: Spec, emulator: Emulator) -> None:
    bare = path.partition("?")[0]
    response = httpx2.request(
        SERVED[bare], emulator.base_url + path, trust_env=False, timeout=GUARD
    )
    assert response.status_code == 401
    assert faults(spec, bare, response) == []


def post(emulator: Emulator, path: str, reply: Reply, *, stream: bool) -> httpx2.Response:
    emulator.play([reply])
    body: dict[str, Any] = {
        "model": "openai/gpt-5-image" if path == "/images" else MODELS[0],
        "stream": stream,
    }
    made_plausible(body, path, body["model"], "Draw a fox")
    return httpx2.post(
        emulator.base_url + path, json=body, headers=KEY, trust_env=False, timeout=GUARD
    )


@pytest.mark.parametrize("path", POSTS)
def test_each_error_status_has_the_body_of_the_spec(
    path: str, spec: Spec, emulator: Emulator
) -> None:
    for status in map(int, spec.document["paths"][path]["post"]["responses"]):
        if status >= 400:
            failure = Failure(
                "No.",
                status,
                metadata={"provider_name": "OpenAI", "raw": "{}"},
                error_type="provider_error",
            )
            response = post(emulator, path, Reply(error=failure), stream=False)
            assert response.status_code == status
            assert faults(spec, path, response) == []


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("form", ["choice", "stream", "silent"])
@pytest.mark.parametrize("path", ["/chat/completions", "/responses"])
def test_an_error_inside_a_200_is_in_the_spec(
    path: str, form: Any, stream: bool, spec: Spec, emulator: Emulator
) -> None:
    content = [Think("Hm."), Say("Once upon"), CallTool("weather"), Draw("a fox", size=(64, 48))]
    reply = Reply(content, error=Failure("Upstream broke", 502, form))
    assert faults(spec, path, post(emulator, path, reply, stream=stream)) == []


def test_a_failed_drawing_is_in_the_spec(spec: Spec, emulator: Emulator) -> None:
    for form in ("http", "choice", "silent", "stream"):
        reply = Reply(
            [Draw("a fox", preview_count=1, size=(64, 48))],
            error=Failure("Upstream broke", 502, form),
        )  # type: ignore[arg-type]
        buffered = post(emulator, "/images", reply, stream=False)
        assert buffered.status_code == 502
        assert faults(spec, "/images", buffered) == []
    streamed = post(emulator, "/images", reply, stream=True)
    assert [event["type"] for event in events_in(streamed.content)][-1] == "error"
    assert faults(spec, "/images", streamed) == []
