"""Faces read by a Triton Inference Server: detection and tracking stay here, small crops travel."""
