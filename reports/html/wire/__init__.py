"""The picture of the wire in time, and what stood on the wire as text."""
