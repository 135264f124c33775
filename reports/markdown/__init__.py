"""Red cases as Markdown, for a colleague or a language model that is to mend the client."""
