"""What one space saw, as it grows: records, metrics, conditions to wait for, and their JSON form."""
