"""Caches: a decoder whose keys and values are inputs and outputs. Its class stands in for those of transformers."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is an extra")

from converter.errors import BadParamError  # noqa: E402
from converter.frontends.pytorch.caches import nested, with_cache  # noqa: E402
from converter.frontends.pytorch.inputs import inputs_of  # noqa: E402
from converter.frontends.pytorch.loading import Loaded  # noqa: E402
from converter.frontends.pytorch.spec import PAST, Spec  # noqa: E402

LAYERS, WIDTH, HEADS = 2, 4, 1


class Cache:
    """Keys and values of layers, (batch, heads, tokens, size)."""

    class Layer:
        keys = values = torch.zeros(0)

    def __init__(self) -> None:
        self.layers: list[Cache.Layer] = []

    def update(self, key: Any, value: Any, index: int) -> tuple[Any, Any]:
        if index == len(self.layers):
            self.layers.append(Cache.Layer())
            self.layers[index].keys, self.layers[index].values = key, value
        else:
            layer = self.layers[index]
            layer.keys, layer.values = torch.cat((layer.keys, key), -2), torch.cat((layer.values, value), -2)
        return self.layers[index].keys, self.layers[index].values


class Decoder(torch.nn.Module):
    """Attention to all tokens up to now."""

    main_input_name, config = "input_ids", None

    def __init__(self) -> None:
        super().__init__()
        self.embed = torch.nn.Embedding(10, WIDTH)
        self.layers = torch.nn.ModuleList(torch.nn.Linear(WIDTH, 2 * WIDTH) for _ in range(LAYERS))

    def forward(self, input_ids: Any, attention_mask: Any = None, cache: Any = None, use_cache: bool = False) -> Any:
        x, cache = self.embed(input_ids), cache or Cache()
        for index, layer in enumerate(self.layers):
            key, value = cache.update(*layer(x)[:, None].chunk(2, -1), index)
            scores = x[:, None] @ key.mT
            if attention_mask is not None:
                scores = scores + attention_mask[:, None, None].log()
            x = x + (scores.softmax(-1) @ value)[:, 0]
        return {"logits": x, **({"cache": cache} if use_cache else {})}


def loaded() -> Loaded:
    torch.manual_seed(0)
    module = Decoder().eval()
    return Loaded(module, cache=with_cache(module, "decoder"))


def test_keys_and_values_of_each_layer_are_inputs_and_outputs() -> None:
    found = inputs_of(loaded(), Spec(call="nets:Decoder", inputs=("input_ids", "attention_mask", PAST)))
    shapes = {each.name: each.shape for each in found}
    assert list(shapes)[2:] == [f"{PAST}.{i}.{kind}" for i in range(LAYERS) for kind in ("key", "value")]
    assert shapes["attention_mask"] == ("N", "S")
    assert shapes[f"{PAST}.1.value"] == ("N", HEADS, "P", WIDTH)
    extents = {each.name: tuple(each.value.shape) for each in found}
    assert extents["attention_mask"][1] == extents["input_ids"][1] + extents[f"{PAST}.0.key"][2]


def test_what_tokens_one_by_one_return_is_what_they_return_together() -> None:
    decoder, ids = loaded(), torch.tensor([[1, 7, 3]])
    empty = torch.zeros((1, HEADS, 0, WIDTH))
    past: dict[str, Any] = {f"{PAST}.{i}.{kind}": empty for i in range(LAYERS) for kind in ("key", "value")}
    together = decoder.run({"input_ids": ids, **past})
    for token in ids.T:
        result = decoder.run({"input_ids": token[None], **past})
        past = {name: result[name.replace(PAST, "present")] for name in past}
    assert list(result) == ["logits", *(f"present.{i}.{kind}" for i in range(LAYERS) for kind in ("key", "value"))]
    assert result["present.1.key"].shape == (1, HEADS, 3, WIDTH)
    torch.testing.assert_close(result["present.0.value"], together["present.0.value"])


def test_pairs_take_the_place_of_their_tensors() -> None:
    values = {"x": 1, f"{PAST}.0.key": 2, f"{PAST}.0.value": 3, f"{PAST}.1.key": 4, f"{PAST}.1.value": 5}
    assert nested(values) == {"x": 1, PAST: [(2, 3), (4, 5)]}


def test_a_module_without_such_a_cache() -> None:
    with pytest.raises(BadParamError, match="does not return the keys and values of each layer"):
        with_cache(torch.nn.Linear(2, 2), "linear")
