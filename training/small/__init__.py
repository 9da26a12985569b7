"""The small model S: a real Qwen3-VL of 17.5 million parameters, and a loop that trains it in minutes."""
