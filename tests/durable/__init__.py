"""Durable runs and their workers: what they do, and what is left when they are killed."""
