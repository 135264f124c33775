"""Signs of red cases: what tells their cause, filled in where the verdict is made."""
