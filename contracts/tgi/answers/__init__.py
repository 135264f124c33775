"""What TGI answers: generated text, tool output, plain bodies and the data of streams."""
