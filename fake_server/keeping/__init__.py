"""What a space answered, as evidence keeps it, and as it can be worked out afterwards."""
