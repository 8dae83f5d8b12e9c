"""The loop: the only code that waits for the model."""
