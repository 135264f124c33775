raise ImportError("no such dependency: install it")
