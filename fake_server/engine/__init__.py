"""Decides what a request gets: which reply, limits, faults by lot, TGI's own answers, the plan of writes."""
