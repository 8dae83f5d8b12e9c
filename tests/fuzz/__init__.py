"""Fuzzing of everything that reads bytes from outside: `make fuzz`, or `python -m tests.fuzz
--target sse --seconds 60`.
"""
