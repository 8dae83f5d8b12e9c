"""Approvals that were used: each holds for one run of one call. Within this process; a copy of a
saved run that is resumed elsewhere is for whoever keeps the runs."""

from __future__ import annotations

from collections import OrderedDict

_KEPT = 100_000
_used: OrderedDict[str, None] = OrderedDict()


def is_used(fingerprint: str) -> bool:
    return fingerprint in _used


def use(fingerprint: str) -> bool:
    """Take an approval for good. False where it was taken before."""
    if fingerprint in _used:
        return False
    _used[fingerprint] = None
    if len(_used) > _KEPT:
        _used.popitem(last=False)
    return True
