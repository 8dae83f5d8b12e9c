"""Demo scripts: a conversation in a YAML file, played through both APIs, checked, reported.

script        the form of a script: a file becomes a `Script`, or an error with file, line, field
tools         the tools that a script names
player        plays a script, tells a `Watcher` what happens, checks each turn
expect        compares an answer with what its turn expects
live          shows a play in the terminal
descriptions  facts of a run in words, for the terminal and for the report
report        writes `index.html`, `transcript.md`, `run.json`, `images/`
"""
