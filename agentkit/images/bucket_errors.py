"""What an object store answers, in words that say what to do. Nothing of the request is in them: it
may hold a signature or a key.
"""

from __future__ import annotations

import re

from agentkit.errors import StoreError

_CODE = re.compile(r"<Code>([A-Za-z0-9]{1,60})</Code>")
_STATUS = re.compile(r"status code: (\d{3})\b")
_OS_ERROR = re.compile(r"(?:source: |: )([A-Z][A-Za-z ]{3,60}) \(os error (\d{1,3})\)")
_BROKEN = re.compile(r"kind: Interrupted|IncompleteBody|IncompleteMessage|ConnectionReset")
_RIGHTS = "it needs the rights to get, put, list and delete objects there"
_KEYS = (
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (Google: GOOGLE_SERVICE_ACCOUNT; Azure: "
    "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY), or give config={…}"
)
_NO_BUCKET = ("NoSuchBucket", "ContainerNotFound", "bucket does not exist", "ContainerBeingDeleted")
_WRONG_KEY = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken")
_METADATA = ("169.254.169.254", "metadata.google.internal", "169.254.170.2")


class Missing(Exception):
    """There is no such object. The bucket is there, as far as was told."""


class Broken(StoreError):
    """The connection broke while a request was on its way, and obstore did not repeat it."""


def explained(url: str, doing: str, error: BaseException) -> StoreError | Missing:
    """What to raise for an error of obstore's."""
    text = f"{type(error).__name__} {error}"
    code, status = _CODE.search(text), _STATUS.search(text)
    told = " ".join([each[1] for each in (status, code) if each])
    why = _why(text, status[1] if status else "")
    if not why:
        if isinstance(error, FileNotFoundError) or "NotFoundError" in text:
            return Missing()
        system = _OS_ERROR.search(text)
        why = system[1] if system else f"the service or obstore refused ({type(error).__name__})"
    kind = Broken if _BROKEN.search(text) and not told else StoreError
    return kind(f"cannot {doing} the image store {url}: {why}{f' ({told})' if told else ''}")


def _why(text: str, status: str) -> str:
    """The cause, as far as the words of the error tell it; empty where they do not."""
    if any(each in text for each in _NO_BUCKET):
        return "there is no such bucket: make it, or name another one"
    if any(each in text for each in _METADATA) or "MissingCredentials" in text:
        return f"there are no credentials: {_KEYS}"
    if any(each in text for each in _WRONG_KEY) or status == "401":
        return "the credentials are wrong or have expired"
    if status == "403":
        return f"this key may not do that: {_RIGHTS}"
    if status in {"301", "307", "308"} or "BareRedirect" in text:
        return "the bucket is in another region: set AWS_REGION, or config={'region': …}"
    if status == "501":
        return "the service cannot write an object only where there is none, which is needed"
    if status == "429" or status.startswith("5"):
        return "the service is busy or broken, also after several tries; try again later"
    if "BadScheme" in text:
        return (
            "its endpoint is http:// and not on this machine, where anybody on the way could read "
            "along: use https://, or config={'allow_http': 'true'}"
        )
    if re.search(r"kind: Timeout|TimedOut|timed out", text):
        return "no answer in time, also after several tries"
    if re.search(r"kind: (Connect|Request|Interrupted|Decode)|ConnectionRefused|dns error", text):
        return "the service cannot be reached, or the connection breaks, also after several tries"
    if "PermissionDenied" in text:
        return f"this user may not do that: {_RIGHTS}"
    return ""
