"""Pictures: taken off the wire (`Spool`), kept (`ImageStore`), looked at (`inspect`), fetched
safely (`Fetcher`).
"""

from agentkit.images.blob import Blob
from agentkit.images.fetch import Fetcher
from agentkit.images.fetch_policy import FetchPolicy
from agentkit.images.inspect import BrokenImage, Stored, store_bytes
from agentkit.images.object_store import ObjectImageStore
from agentkit.images.spool import Spool
from agentkit.images.store import Draft, FileImageStore, ImageStore, MemoryImageStore
from agentkit.values.image_header import Info, inspect
from agentkit.wire.base64text import decode_base64

__all__ = [
    "Blob",
    "BrokenImage",
    "Draft",
    "FetchPolicy",
    "Fetcher",
    "FileImageStore",
    "ImageStore",
    "Info",
    "MemoryImageStore",
    "ObjectImageStore",
    "Spool",
    "Stored",
    "decode_base64",
    "inspect",
    "store_bytes",
]
