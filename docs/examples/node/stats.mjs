// What an endpoint's calls came to. Each call counts once, however many attempts it took; the tokens are the server's own.

const COUNTERS = ["total_requests", "successful_requests", "failed_requests", "requests_without_usage", "input_tokens", "output_tokens"];

export class Stats {
  #counts = zeros();
  #era = 0;

  /** Counts a call; returns what counts its end, once: with its usage if it was a success. */
  begin() {
    const era = this.#era;
    let open = true;
    this.#counts.total_requests += 1;
    return (succeeded, usage) => {
      if (!open || era !== this.#era) return;
      open = false;
      if (!succeeded) this.#counts.failed_requests += 1;
      else this.#succeed(usage);
    };
  }

  #succeed(usage) {
    this.#counts.successful_requests += 1;
    if (usage?.prompt_tokens === undefined || usage.completion_tokens === undefined) this.#counts.requests_without_usage += 1;
    this.#counts.input_tokens += usage?.prompt_tokens ?? 0;
    this.#counts.output_tokens += usage?.completion_tokens ?? 0;
  }

  reset() {
    this.#counts = zeros();
    this.#era += 1;
  }

  snapshot() {
    return withTotal({ ...this.#counts });
  }
}

/** The sum of several snapshots. */
export function sum(snapshots) {
  const counts = zeros();
  for (const snapshot of snapshots) for (const name of COUNTERS) counts[name] += snapshot[name];
  return withTotal(counts);
}

function zeros() {
  return Object.fromEntries(COUNTERS.map((name) => [name, 0]));
}

function withTotal(counts) {
  return { ...counts, total_tokens: counts.input_tokens + counts.output_tokens };
}
