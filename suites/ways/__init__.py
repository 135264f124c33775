"""The ways to make a call: which of them each clause binds on, and which of them its cases try."""
