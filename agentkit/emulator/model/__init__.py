"""The emulator's model: rules that decide what a reply says, draws and calls."""
