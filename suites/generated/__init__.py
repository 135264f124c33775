"""Hypothesis generators: requests, streams, errors, schemas, images, texts and server scripts."""
