"""The student: loading, LoRA training, generation, merging. Nothing else in the engine imports torch."""
