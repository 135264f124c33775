"""What a run may ask of a real endpoint: requests and tokens, reserved before anything is sent. Pure."""

from dataclasses import dataclass
from typing import Final

MAX_REQUESTS: Final = 300
MAX_TOKENS: Final = 5_000
#: The most tokens that one request may generate: as many requests as are allowed fit into the default budget.
TOKENS_A_REQUEST: Final = 16
#: How the reason of a request begins that the budget leaves out; runs tell it from what an endpoint said.
USED_UP: Final = "the budget of "


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What has been asked so far."""

    requests: int = 0
    #: Tokens that were reserved, less those of answers that said how many they had.
    tokens: int = 0
    #: Requests that were not sent, since the budget was used up.
    refused: int = 0
    #: Requests whose length limit was lowered, or set.
    limited: int = 0


class Budget:
    """Counts what is asked; one a run."""

    def __init__(self, max_requests: int = MAX_REQUESTS, max_tokens: int = MAX_TOKENS) -> None:
        self.max_requests = max_requests
        self.max_tokens = max_tokens
        self._requests = self._tokens = self._refused = self._limited = 0

    @property
    def spent(self) -> Spent:
        """What has been asked so far."""
        return Spent(
            requests=self._requests, tokens=self._tokens, refused=self._refused, limited=self._limited
        )

    def reserve(self, tokens: int, *, limited: bool = False) -> str:
        """Reserve a request of at most so many tokens; gives why it may not be sent, or nothing."""
        problem = ""
        if self._requests >= self.max_requests:
            problem = f"{USED_UP}{self.max_requests} requests is used up (--max-requests)"
        elif self._tokens + tokens > self.max_tokens:
            problem = f"{USED_UP}{self.max_tokens} tokens is used up (--max-tokens)"
        if problem:
            self._refused += 1
            return problem
        self._requests += 1
        self._tokens += tokens
        self._limited += limited
        return ""

    def settle(self, reserved: int, used: int) -> None:
        """Give back what a request reserved and did not use."""
        self._tokens -= max(0, reserved - used)
