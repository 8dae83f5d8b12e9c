"""The painter stands in for an image model, offline: words → a scene → shapes → a picture."""

from agentkit.emulator.painter.painter import paint, paint_svg, preview

__all__ = [
    "paint",
    "paint_svg",
    "preview",
]
