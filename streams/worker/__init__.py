"""The worker: what stands between the topics and the engine, as plain handlers under Faust agents."""
