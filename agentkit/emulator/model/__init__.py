"""The model that is none: rules that decide what a reply says, draws and calls."""
