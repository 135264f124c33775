"""Conformance kit for client backends of Text Generation Inference."""
