"""OpenRouter's Image API: pictures from words, and from pictures.

    from agentkit.studio import studio

    drawing = await studio.draw("A fox in the snow", aspect_ratio="16:9")
    drawing.image.save(f"fox.{drawing.image.extension}")
    hat = await studio.edit(drawing.image, "Put a red hat on it")

`studio` takes its client and store from the environment; a `Studio` of one's own takes them as
arguments.
"""

from agentkit.images.ingest import InputLimits, scaled_to_fit
from agentkit.studio.options import Options
from agentkit.studio.stream import DrawingStream
from agentkit.studio.studios import DEFAULT_MODEL, Studio
from agentkit.studio.values import Drawing
from agentkit.wire.catalogue import Capability, ImageEndpoint, ImageModel, Price

studio = Studio()

__all__ = [
    "DEFAULT_MODEL",
    "Capability",
    "Drawing",
    "DrawingStream",
    "ImageEndpoint",
    "ImageModel",
    "InputLimits",
    "Options",
    "Price",
    "Studio",
    "scaled_to_fit",
    "studio",
]
