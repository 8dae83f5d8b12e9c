"""Programs that draw and are killed: what a crash loses, and what is bought twice.

python -m tests.crash --kills 200 --seed 7
"""
