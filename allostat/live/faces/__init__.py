"""Faces of a live session: dashboard, web page, LSL outlets, plain lines. None of them can stop the session."""
