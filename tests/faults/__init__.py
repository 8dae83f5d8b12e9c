"""The faults of a hostile world, each in every phase, API and mode; and the proof that nothing is
paid for twice or lost.
"""
