"""The table of primitives, a subject a file (imported by `minigrad/__init__.py`)."""
