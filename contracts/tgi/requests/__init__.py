"""What is asked of TGI: decoding, validation, templates, images and grammars of a request."""
