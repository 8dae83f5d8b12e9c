"""Other frameworks, each with an agent of ours as its tool. `make frameworks` installs and runs them."""
