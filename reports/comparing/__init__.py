"""Two runs beside each other: what they were made with, and what came out otherwise."""
