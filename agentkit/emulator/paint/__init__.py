"""The emulator's paint box: words → a scene → shapes → a picture. The door to it is `agentkit.emulator.painter`."""
