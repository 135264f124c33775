"""JSON Schemas: the kit's own documents, and the tools that read any schema or any JSON text by position."""
