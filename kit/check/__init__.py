"""Is the server itself right? The contracts turned round: requests of TGI's domains, answers judged."""
