"""Qwen2.5-VL and Qwen3-VL: what every way of running them shares.

A checkpoint becomes a prompt (`engines.layouts`), pixels become features (`vision`), features and words
become tokens (`generation`). `runtime` is what PyTorch, onnxruntime and TensorRT each do in their own way.
"""
