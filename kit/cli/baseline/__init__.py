"""The command ``tgi-conformance baseline``."""
