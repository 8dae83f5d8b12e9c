"""`python -m agentkit`: the same as the command `agentkit`."""

from agentkit.cli import main

raise SystemExit(main())
