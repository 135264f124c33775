"""Recording a real server's exchanges, and replaying them."""
