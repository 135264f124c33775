"""What the test files of one area, or of several, share: stimuli spelled out, and what came of them."""
