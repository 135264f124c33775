"""Conformance kit for client backends of Text Generation Inference."""

__all__ = ["__version__"]

__version__: str


def __getattr__(name: str) -> str:
    """The version, looked up when somebody asks: that takes longer than many a module's import."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415

    try:
        return version("tgi-conformance")
    except PackageNotFoundError:  # a source tree that was never installed
        return "0+unknown"
