"""The emulator's paint box: words → a scene → shapes → a picture. `agentkit.emulator.painter` is the door to it."""
