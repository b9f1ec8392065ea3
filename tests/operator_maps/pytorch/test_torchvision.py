"""Boxes of torchvision, run beside it in both modes."""

from __future__ import annotations

import importlib
import sys

import mindspore as ms
import numpy as np
import pytest
from rewriting.conversion import project

torch = pytest.importorskip("torch")
pytest.importorskip("torchvision")

EXPRESSIONS = """
ops.nms(boxes, scores, 0.3)
ops.nms((boxes / 8).round() * 8 + torch.tensor([0.0, 0.0, 8.0, 8.0]), scores, 0.3)
ops.batched_nms(boxes, scores, kinds, 0.3)
ops.box_iou(boxes, boxes)
torchvision.ops.generalized_box_iou(boxes, boxes)
ops.box_convert(boxes, "xyxy", "cxcywh")
ops.box_convert(ops.box_convert(boxes, "xyxy", "xywh"), "xywh", "xyxy")
ops.clip_boxes_to_image(boxes, (30, 20))
ops.remove_small_boxes(boxes, 20)
ops.generalized_box_iou_loss(boxes, boxes.flip(0))
ops.distance_box_iou_loss(boxes, boxes.flip(0), reduction="sum")
ops.complete_box_iou_loss(boxes, boxes.flip(0), reduction="mean")
ops.sigmoid_focal_loss(scores, boxes[:, 0] / 100, reduction="mean")
""".strip().splitlines()
SCRIPT = "import torch, torchvision\nfrom torch import nn\nfrom torchvision import ops\n\n\nclass Net(nn.Module):\n"


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> dict[str, list[np.ndarray]]:
    """What the expressions give in PyTorch and in both modes."""
    head = "    def forward(self, boxes: torch.Tensor, scores: torch.Tensor, kinds: torch.Tensor):\n        return (\n"
    text = SCRIPT + head + "".join(f"            {each},\n" for each in EXPRESSIONS) + "        )\n"
    folder = tmp_path_factory.mktemp("source")
    for name, converted in project(folder, {"boxes_net.py": text}, "boxes_net.py").items():
        (folder / f"ms_{name}").write_text(converted.replace("import _torch_compat", "import ms__torch_compat"))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        patch.delitem(sys.modules, "ms__torch_compat", raising=False)
        source, ours = importlib.import_module("boxes_net"), importlib.import_module("ms_boxes_net")
        random = np.random.default_rng(0)
        boxes = random.random((40, 4)).astype(np.float32) * 50
        boxes[:, 2:] += boxes[:, :2]
        arrays = [boxes, random.random(40).astype(np.float32), random.integers(0, 3, 40)]
        found = {"torch": [each.numpy() for each in source.Net()(*map(torch.tensor, arrays))]}
        for name, mode in (("graph", ms.GRAPH_MODE), ("pynative", ms.PYNATIVE_MODE)):
            ms.set_context(mode=mode)
            found[name] = [each.asnumpy() for each in ours.Net()(*map(ms.Tensor, arrays))]
    return found


@pytest.mark.parametrize("mode", ["pynative", "graph"])
@pytest.mark.parametrize("number", range(len(EXPRESSIONS)), ids=EXPRESSIONS)
def test_it_is_the_same(results, number, mode):
    np.testing.assert_allclose(results[mode][number], results["torch"][number], rtol=1e-4, atol=1e-5)
