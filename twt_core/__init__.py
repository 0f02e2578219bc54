"""TwT, Thinking without Tokens: the engine. Start reading at `twt_core.pipeline`."""
