"""What ``tgi-conformance init`` does: looks at a folder, chooses an adapter, renders and writes its files."""
