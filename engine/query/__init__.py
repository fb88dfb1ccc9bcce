"""From SQL text to a task a worker can run: parse, bind, resolve."""
