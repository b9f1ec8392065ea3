"""Inputs: which parameters of `forward`, which shapes and types, and what is said when nothing tells them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from frontends.pytorch import nets

from converter.errors import BadParamError, ModelLoadingError, ParamMissingError

torch = pytest.importorskip("torch", reason="PyTorch is an extra")

from converter.frontends.pytorch.inputs import inputs_of  # noqa: E402 - it imports torch
from converter.frontends.pytorch.loading import Loaded  # noqa: E402
from converter.frontends.pytorch.spec import Spec  # noqa: E402


def chosen(module, *shapes, inputs=(), given=None):
    loaded = Loaded(module.eval(), given=given or {})
    found = inputs_of(loaded, Spec(call="nets:Net", shapes=shapes, inputs=inputs))
    return {each.name: (each.shape, str(each.value.dtype).removeprefix("torch.")) for each in found}


@pytest.mark.parametrize(
    ("module", "shapes", "inputs", "expected"),
    [
        (nets.Classifier, ["N,3,8,W"], [], {"image": (("N", 3, 8, "W"), "float32")}),
        (nets.Classifier, ["2,3,8,8", "1"], [], {"image": ((2, 3, 8, 8), "float32"), "scale": ((1,), "float32")}),
        (
            nets.Classifier,
            ["1", "1,3,8,8"],
            ["scale", "image:0"],
            {"scale": ((1,), "float32"), "image": ((1, 3, 8, 8), "float32")},
        ),
        (nets.Tagger, ["N,L", "N,L"], [], {"words": (("N", "L"), "int64"), "keep": (("N", "L"), "bool")}),
        (lambda: nets.Statistics().double(), ["1,4"], [], {"x": ((1, 4), "float64")}),
    ],
)
def test_what_the_signature_and_a_trial_tell(module, shapes, inputs, expected):
    assert chosen(module(), *shapes, inputs=inputs) == expected


def test_an_annotation_tells_the_type():
    class Annotated(torch.nn.Module):
        def forward(self, x: torch.LongTensor, y: torch.BoolTensor | None = None) -> torch.Tensor:
            return x * 2

    assert chosen(Annotated(), "3", "3") == {"x": ((3,), "int64"), "y": ((3,), "bool")}


def test_many_indices_are_found():
    class Reader(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.words = torch.nn.Embedding(9, 2)

        def forward(self, a, b, c, d, c_lens):
            return sum(self.words(each) for each in (a, b, c, d)) * c_lens

    assert set(chosen(Reader(), *["3"] * 4, "1").values()) == {((3,), "int64"), ((1,), "int64")}


def test_a_given_example_needs_no_shape():
    given = {"words": torch.ones(2, 5, dtype=torch.int32), "keep": torch.ones(2, 5, dtype=torch.bool)}
    assert chosen(nets.Tagger(), given=given) == {"words": ((2, 5), "int32"), "keep": ((2, 5), "bool")}
    assert chosen(nets.Tagger(), "N,5", "N,5", given=given)["words"] == (("N", 5), "int32")


def test_configurations_tell_shapes():
    timm = nets.Classifier()
    timm.default_cfg = {"input_size": (3, 8, 8)}
    assert chosen(timm) == {"image": (("N", 3, 8, 8), "float32")}

    class Vision(nets.Classifier):
        main_input_name = "pixel_values"
        config = SimpleNamespace(image_size=8, num_channels=3)

        def forward(self, pixel_values=None, mask=None):
            return super().forward(pixel_values)

    class Described(Vision):
        config = SimpleNamespace(encoder=SimpleNamespace(image_size=(8, 8), num_channels=3))

    class Audio(nets.Statistics):
        main_input_name = "input_features"
        config = SimpleNamespace(num_mel_bins=5, max_source_positions=2)

        def forward(self, input_features=None):
            return super().forward(input_features)

    class Frames(Audio):
        config = SimpleNamespace(input_feat_per_channel=4, max_source_positions=2)

    class Annotated(Vision):
        """By mistake, as the features of Speech2Text are."""

        def forward(self, pixel_values: torch.LongTensor | None = None):
            return super().forward(pixel_values)

    class Text(nets.Tagger):
        main_input_name = "input_ids"
        config = SimpleNamespace()

        def forward(self, input_ids=None, attention_mask=None, labels=None):
            return super().forward(input_ids, attention_mask.bool())

    assert chosen(Vision()) == {"pixel_values": (("N", 3, 8, 8), "float32")}
    assert chosen(Described()) == chosen(Vision())
    assert chosen(Audio()) == {"input_features": (("N", 5, 4), "float32")}
    assert chosen(Frames()) == {"input_features": (("N", "T", 4), "float32")}
    assert chosen(Annotated()) == chosen(Vision())
    assert chosen(Text())["input_ids"] == (("N", "T"), "int64")
    assert chosen(Text(), "N,6", "N,6") == {
        "input_ids": (("N", 6), "int64"),
        "attention_mask": (("N", 6), "int64"),
    }


@pytest.mark.parametrize(
    ("module", "shapes", "inputs", "error", "message"),
    [
        (nets.Tagger, [], [], ParamMissingError, r"--shape is needed: .* takes 'words', 'keep'"),
        (nets.Tagger, ["1,4", "-"], [], ParamMissingError, r"nothing tells the shape of 'keep'"),
        (nets.Tagger, ["1,4"], ["words"], ParamMissingError, r"cannot run without 'keep'.*--input_nodes words keep"),
        (nets.Tagger, ["1,4"] * 3, [], BadParamError, r"3 shape\(s\) for 2 input\(s\)"),
        (nets.Classifier, ["1,3,8,8"], ["head/x"], ParamMissingError, r"inside the network, to which --shape belongs"),
        (nets.Tagger, ["1,4"], ["words,keep"], ParamMissingError, r"Separate the names of --input_nodes by spaces"),
        (nets.Flag, ["1,4"], [], BadParamError, r"the parameter 'deep' .* is no tensor"),
        (
            nets.Classifier,
            ["1,4,8,8"],
            [],
            ModelLoadingError,
            r"'nets:Net' does not run on 'image' \(1,4,8,8\): .*channels.*\(nets\.py, line \d+: `x = self\.features",
        ),
    ],
)
def test_what_does_not_fit(module, shapes, inputs, error, message):
    with pytest.raises(error, match=message):
        chosen(module(), *shapes, inputs=inputs)


def test_a_list_of_tensors_is_refused():
    """The detectors of torchvision take one."""

    class Detector(torch.nn.Module):
        def forward(self, images: list[torch.Tensor]) -> torch.Tensor:
            return images[0]

    with pytest.raises(BadParamError, match=r"parameter 'images' .* holds several tensors\. .*derive a module"):
        chosen(Detector(), "3,8,8")
