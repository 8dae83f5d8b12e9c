"""Where requests go and with which key: what people write there, cleaned, or refused by name."""

from __future__ import annotations

import contextlib
import os
import re
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit, urlunsplit

from agentkit._check import refused
from agentkit._redact import Secret, redacted
from agentkit.errors import UsageError
from agentkit.openrouter.service import Service, is_openai, is_openrouter

BASE_URL = "https://openrouter.ai/api/v1"
_ENDPOINTS = re.compile(
    r"/(?:chat/completions|completions|responses|messages|embeddings|images/(?:generations|edits)|"
    r"images(?:/models)?|models|generation|key|credits)/*\Z"
)
_INVISIBLE = " \t\r\n\f\v\u00a0\u200b\u200c\u200d\u2060\ufeff"
_QUOTES = "\"'`\u201c\u201d\u2018\u2019"
_BEFORE_KEY = re.compile(
    r"(?:export\s+)?OPEN(?:ROUTER|AI)_API_KEY\s*=|Authorization\s*:|Bearer(?:\s+|\Z)", re.IGNORECASE
)


def base_url_of(given: str) -> str:
    """The address to which the path of an endpoint is added: without quotes, white space, a slash
    or an endpoint at its end, and with OpenRouter's `/api/v1` or OpenAI's `/v1`.

    Raises `UsageError` for what is no http or https URL, and for one with a query, a fragment or
    credentials.
    """
    cleaned = _bare(given)
    parts = _split(cleaned)
    if parts is None:
        accepted = f"is an http or https URL such as {BASE_URL!r}"
        raise refused("OpenRouter(base_url={!r})", redacted(cleaned), accepted)
    if parts.username or parts.password:
        raise UsageError(
            "OpenRouter(base_url=…) must not hold a user name or password; accepted is api_key="
        )
    if parts.query or parts.fragment:
        # Its value is not shown: it may be a key.
        without = urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))
        what = "a query (?…)" if parts.query else "a fragment (#…)"
        raise UsageError(
            f"OpenRouter(base_url=…) has {what}, which cannot be sent with each request; "
            f"accepted is the address alone, such as {redacted(without)!r}"
        )
    path = _ENDPOINTS.sub("", parts.path.rstrip("/")).rstrip("/")
    scheme = parts.scheme
    if parts.hostname == "openrouter.ai":  # known to answer at one address only
        scheme, path = "https", "/api/v1" if path in ("", "/api", "/v1") else path
    elif parts.hostname == "api.openai.com":
        scheme, path = "https", path or "/v1"
    return urlunsplit((scheme, parts.netloc, path, "", ""))


def origin_of(base_url: str) -> str:
    """Its scheme, host and port."""
    parts = urlsplit(base_url)
    return f"{parts.scheme}://{parts.netloc}"


def key_of(given: str) -> Secret:
    """The key without what surrounds it where it was copied from: quotes, white space, `Bearer`,
    the name of the variable. It may be empty.

    Raises `UsageError` for what no header can hold, and for white space in the middle.
    """
    key, before = _bare(given), None
    while key != before:
        found = _BEFORE_KEY.match(key)
        before, key = key, _bare(key[found.end() :] if found else key)
    if not key.isascii() or not key.isprintable() or " " in key:
        raise UsageError(
            "OpenRouter(api_key=…): accepted are the printable ASCII characters of one key, "
            "without white space between them"
        )
    return Secret(key)


def key_for(given: str | None, base_url: str) -> Secret:
    """The key that goes to this address: the one that was given, or else that of the environment,
    which goes to nobody but whom it is for. It may be empty. Raises `UsageError` as `key_of`.
    """
    if given is None:
        variable = _variable_for(base_url)
        given = "" if variable is None else os.environ.get(variable, "")
    return key_of(given)


def _variable_for(base_url: str) -> str | None:
    """The environment variable whose key is for this address; None where there is none."""
    if is_openai(base_url) and "OPENAI_API_KEY" in os.environ:
        return "OPENAI_API_KEY"
    if is_openrouter(base_url) or is_loopback(base_url) or _is_named(base_url):
        return "OPENROUTER_API_KEY"
    return None


def _is_named(base_url: str) -> bool:
    """Whether `OPENROUTER_BASE_URL` lies on the same origin."""
    named = os.environ.get("OPENROUTER_BASE_URL")
    if not named:
        return False
    try:
        return origin_of(base_url_of(named)).lower() == origin_of(base_url).lower()
    except UsageError:
        return False


def is_loopback(base_url: str) -> bool:
    """Whether this is an address of this machine alone: `localhost`, `127.0.0.1`, `[::1]`, …"""
    host = (urlsplit(base_url).hostname or "").rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def needs_key(given: object, base_url: str, service: Service) -> bool:
    """Whether nothing can be asked there without a key."""
    is_without = given == "" or (given is None and is_loopback(base_url))
    return not (service.may_be_keyless and is_without)


def no_key(base_url: str, service: Service) -> str:
    """Why there is no key for this address, and what to do."""
    shown = redacted(base_url)
    keyless = ", or api_key='' for a server without keys" if service.may_be_keyless else ""
    if is_openai(base_url):
        return f"there is no API key for {shown}: set OPENAI_API_KEY, or pass OpenRouter(api_key=…)"
    if is_openrouter(base_url) or is_loopback(base_url):
        return (
            f"there is no API key for {shown}: set OPENROUTER_API_KEY (or pass "
            f"OpenRouter(api_key=…){keyless}), or start the emulator with `agentkit emulator` and "
            "set OPENROUTER_BASE_URL to the address it prints, with any key"
        )
    return (
        f"there is no API key for {shown}: pass OpenRouter(api_key=…){keyless}. OPENROUTER_API_KEY "
        "is sent to openrouter.ai, to this machine and to the address in OPENROUTER_BASE_URL only"
    )


def _bare(text: str) -> str:
    """The text without white space and pairs of quotes around it."""
    text = text.strip(_INVISIBLE)
    while len(text) >= 2 and text[0] in _QUOTES and text[-1] in _QUOTES:
        text = text[1:-1].strip(_INVISIBLE)
    return text


def _split(url: str) -> SplitResult | None:
    """The parts of an http or https URL; None for what is none."""
    # A broken IPv6 address, a port that is no number, half of a surrogate pair.
    with contextlib.suppress(ValueError):
        url.encode()
        found = urlsplit(url)
        if found.scheme in {"http", "https"} and found.hostname and found.port != 0:
            return found
    return None
