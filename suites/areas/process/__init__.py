"""The backend's process: one of a case's own, what it holds, and what grows in it."""
