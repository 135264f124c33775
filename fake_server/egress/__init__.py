"""The one way out of a run against a real endpoint: real keys, the budget, and every outward connection."""
