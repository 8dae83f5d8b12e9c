"""The Responses API: requests encoded, replies decoded."""
