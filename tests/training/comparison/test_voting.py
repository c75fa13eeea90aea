"""Test-time voting."""

from __future__ import annotations

import torch

from fsrfer.training.comparison.voting import VotingNetwork
from fsrfer.training.models import (
    BackboneConfig,
    ExpressionNetwork,
    GeneratorConfig,
    GeneratorKind,
    NetworkConfig,
    count_cost,
)
from fsrfer.training.models.cost import count_cost_of

CONFIG = NetworkConfig(1, 16, 3, BackboneConfig(4, (6, 8), 1), GeneratorConfig(kind=GeneratorKind.NONE))


class Seen(torch.nn.Module):
    """Remembers what it was shown, and answers with its brightness."""

    def forward(self, faces, face_size_px):
        self.faces, self.sizes = faces, face_size_px
        level = faces.float().mean(dim=(1, 2, 3))
        return torch.stack([level, -level], dim=1)


def test_ten_views_of_each_face_are_seen():
    seen = Seen()
    faces = torch.zeros(2, 1, 20, 20, dtype=torch.uint8)
    faces[1, 0, 0, 0] = 250  # a bright corner
    logits = VotingNetwork(seen)(faces, torch.tensor([8.0, 20.0]))
    assert seen.faces.shape == (20, 1, 20, 20)
    assert seen.faces.dtype == torch.uint8
    assert seen.sizes.tolist() == [8.0, 20.0] * 10
    corners = [seen.faces[2 * view + 1, 0, [0, 0, -1, -1], [0, -1, 0, -1]].tolist() for view in range(10)]
    # Only the crop at the top left holds the corner; its mirror image has it at the top right.
    assert sum(corner[0] > 200 for corner in corners) == 1
    assert sum(corner[1] > 200 for corner in corners) == 1
    torch.testing.assert_close(logits[1], torch.stack([*seen(seen.faces[1::2], None)]).mean(dim=0))


def test_it_costs_ten_times_the_network():
    network = ExpressionNetwork(CONFIG).eval()
    assert count_cost_of(VotingNetwork(network), 1, 16, 8).macs == 10 * count_cost(network).macs


def test_a_face_and_its_mirror_image_get_the_same_votes():
    torch.manual_seed(0)
    voting = VotingNetwork(ExpressionNetwork(CONFIG).eval())
    faces = torch.randint(0, 256, (3, 1, 16, 16), dtype=torch.uint8)
    sizes = torch.full((3,), 12.0)
    torch.testing.assert_close(voting(faces, sizes), voting(faces.flip(3), sizes), atol=2e-2, rtol=0)
