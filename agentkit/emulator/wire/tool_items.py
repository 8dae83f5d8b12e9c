"""Output items of server tools in a Responses result, with the pictures and files that they left.

The shapes are those of the `Output…Item` types in OpenRouter's SDK, version 1.3.84. No recording
exists of an item with files.
"""

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime

from agentkit.emulator.ids import Ids
from agentkit.emulator.job import Job
from agentkit.emulator.painter.studio import Picture
from agentkit.emulator.script import Draw, Json, Place, UseServerTool
from agentkit.emulator.wire.image_places import AS_LINK

PLACES: tuple[Place, ...] = ("code_interpreter_call", "browser_use", "container_file")
"""The places of pictures in items of tools that do not draw."""
_PREFIXES = {
    "code_interpreter_call": "ci_",
    "custom_tool_call": "ctc_",
    "mcp_call": "mcp_",
    "mcp_list_tools": "mcpl_",
    "mcp_approval_request": "mcpr_",
}
_WITHOUT_STATUS = ("mcp_call", "mcp_list_tools", "mcp_approval_request")


def tool_item(use: UseServerTool, job: Job, ids: Ids) -> Json:
    """The item of a server tool that ran."""
    item: Json = {"id": ids.new(_PREFIXES.get(use.tool, "st_tmp_"), 11), "type": use.tool}
    if use.tool not in _WITHOUT_STATUS:
        item["status"] = "completed"
    item |= use.fields
    if use.files:
        item |= _cited(use.files, job, ids, str(item.get("container_id") or ids.new("cntr_")))
    return item


def begun(item: Json) -> Json:
    """The item while its tool still runs."""
    if "status" not in item or item["type"] == "openrouter:armor_blocked":
        return item
    return {**item, "status": "in_progress"}


def picture_item(draw: Draw, picture: Picture | None, place: Place, job: Job, ids: Ids) -> Json:
    """The item that holds a picture in one of `PLACES`; without a picture, that of a failure."""
    if place == "browser_use":
        shown = {"screenshotB64": picture.base64} if picture else {"error": _reason(draw)}
        item = {"status": "completed" if picture else "incomplete", "action": "screenshot", **shown}
        return {"id": ids.new("st_tmp_", 11), "type": "openrouter:browser_use", **item}
    if place == "code_interpreter_call":
        item = {"id": ids.new("ci_", 11), "type": "code_interpreter_call"}
        outputs = [_output(draw, picture, job, ids)] if picture else [_log(draw)]
        return {
            **item,
            "status": "completed" if picture else "failed",
            "code": f"plot({json.dumps(draw.prompt, ensure_ascii=False)})",
            "container_id": ids.new("cntr_"),
            "outputs": outputs,
        }
    command = f"plot {json.dumps(draw.prompt, ensure_ascii=False)}"
    outcome = {"type": "exit", "exit_code": 0 if picture else 1}
    said = {"stdout": "", "stderr": "" if picture else _reason(draw), "outcome": outcome}
    item = {
        "id": ids.new("st_tmp_", 11),
        "type": "openrouter:shell",
        "status": "completed" if picture else "failed",
        "call_id": ids.new("call_"),
        "arguments": json.dumps({"commands": [command]}, ensure_ascii=False),
        "action": {"commands": [command]},
        "output": [said],
    }
    if picture is None:
        return {**item, "container_id": ids.new("cntr_"), "error": _reason(draw)}
    files = {f"plot.{draw.format}": picture.data}
    return {**item, **_cited(files, job, ids, ids.new("cntr_"))}


def _output(draw: Draw, picture: Picture, job: Job, ids: Ids) -> Json:
    """As the code interpreter tells of a picture: in place, by a URL, or as a file to download."""
    if draw.shape == "file":
        until = datetime.fromtimestamp(time.time() + job.studio.ttl, UTC)
        return {
            "type": "file",
            "id": ids.new("file_"),
            "filename": f"plot.{draw.format}",
            "media_type": picture.claimed,
            "size_bytes": len(picture.data),
            "sha256": picture.sha256,
            "download_url": picture.url,
            "expires_at": until.isoformat(timespec="seconds"),
            "status": "completed",
        }
    return {"type": "image", "url": picture.url if draw.shape in AS_LINK else picture.data_url}


def _log(draw: Draw) -> Json:
    return {"type": "logs", "logs": _reason(draw)}


def _reason(draw: Draw) -> str:
    return draw.error or "The picture could not be made"


def _cited(files: Mapping[str, bytes], job: Job, ids: Ids, container: str) -> Json:
    """The files, kept in their container, as an item names them."""
    kept = [job.containers.keep(container, name, data, ids) for name, data in files.items()]
    return {"container_id": container, "files": [each.citation() for each in kept]}
