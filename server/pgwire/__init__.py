"""The Postgres wire protocol, version 3: bytes in, bytes out, and the engine behind them."""
