"""Pictures: taken off the wire, kept, looked at, fetched."""
