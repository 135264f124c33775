"""TGI's rules as pure functions and tables: the genuine router's answers, and the other generations."""
