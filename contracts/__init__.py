"""WHAT must hold: clauses, schemas, scripts, journals and verdicts as data. Pure: no socket, no clock, no pytest."""
