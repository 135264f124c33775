"""The client that two_files.py adapts."""


class ClientError(Exception):
    pass


class Unclassified(ClientError):
    pass


class Client:
    def answer(self):
        return {"text": "said"}

    def fail(self):
        raise ClientError("the server failed")

    def slip(self):
        return self.answer()["nonsense"]
