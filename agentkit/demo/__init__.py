"""Demos that are written down: a YAML script of a conversation, played through both APIs, checked,
and reported.

script  a file → a `Script`, or an error that names file, line and field
tools   what the script's `tools:` stand for
player  plays a script; tells a `Watcher` what happens; checks each turn (`expect`)
live    a `Watcher` for the terminal
report  what was played → `index.html`, `transcript.md`, `run.json`, `images/`
"""
