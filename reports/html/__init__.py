"""The HTML report: one page, its views and its templates."""
