"""Mistakes in where the text of a stream is to end (GEN): plain calls send the right limits."""

from ways import Body, OneStream


class StreamLimitsByItself(OneStream):
    """Gives a stream for which no length was asked a length of its own."""

    breaks = "GEN-07"
    key = "test_endpoint_params"

    def streamed(self, parameters: Body) -> Body:
        limits = {"max_tokens", "max_new_tokens", "max_completion_tokens"}
        return parameters if limits & parameters.keys() else parameters | {"max_tokens": 20}
