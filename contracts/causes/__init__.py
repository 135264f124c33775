"""What tells a cause: kinds of stimuli, classes of outcomes, and what a user suffers; data and pure rules."""
