"""The control API, through which suites open spaces, wait, release gates and read journals."""
