"""The board: many runs on static pages, clients by areas, made of what each run left."""
