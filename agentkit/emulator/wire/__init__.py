"""What goes over the wire: requests checked, replies written, in the forms of each API."""
