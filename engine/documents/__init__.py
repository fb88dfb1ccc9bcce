"""Files to text: what the stages of a pipeline do, each in a process of its own."""
