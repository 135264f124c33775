"""WHAT must hold: clauses, schemas, TGI's rules, scripts, journals and verdicts as data.

Pure: no socket, no clock, no pytest.
"""
