"""Conformance kit for client backends of Text Generation Inference."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("tgi-conformance")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"

__all__ = ["__version__"]
