"""Attention: query, key and value joined, cut, and with an axis of heads."""

from __future__ import annotations

import numpy as np
import pytest
from weights.networks import dense, parameter, tensor

from converter.artifacts import LazyTensor
from converter.weights import entries_of, inverted, parameters_from, propose

RANDOM = np.random.default_rng(0)


def made(source: dict[str, np.ndarray], network, framework) -> dict[str, np.ndarray]:
    """The parameters that a proposal makes; the source is to come back from them bit for bit."""
    tensors = {
        name: LazyTensor(tensor(name, *array.shape), lambda array=array: array) for name, array in source.items()
    }
    proposal = propose([each.array for each in tensors.values()], network, framework)
    assert {pairing.confidence for pairing in proposal.pairings} <= {"certain", "likely"}
    entries = entries_of(proposal.pairings)
    parameters = {each.array.name: each for each in parameters_from(entries, tensors)}
    for each in inverted(entries, parameters).tensors:
        assert each.load().tobytes() == source[each.array.name].tobytes()
    return {name: each.load() for name, each in parameters.items()}


def numbers(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32)


@pytest.mark.parametrize(("framework", "leaf"), [("torch", "weight"), ("tensorflow", "kernel")])
@pytest.mark.parametrize("names", [("query", "key", "value"), ("q_proj", "k_proj", "v_proj"), ("wq", "wk", "wv")])
def test_joined(framework, leaf, names):
    source = {f"h.{layer}.attn.{name}.{leaf}": numbers(4, 4) for layer in range(2) for name in names}
    source |= {f"h.{layer}.attn.{name}.bias": numbers(4) for layer in range(2) for name in names}
    network = [
        parameter(f"blocks.{layer}.attention.in_proj_{kind}", *shape, layer="MultiheadAttention")
        for layer in range(2)
        for kind, shape in (("weight", (12, 4)), ("bias", (12,)))
    ]
    found = made(source, network, framework)
    turn = (1, 0) if framework == "tensorflow" else (0, 1)
    want = np.concatenate([source[f"h.1.attn.{name}.{leaf}"].transpose(turn) for name in names])
    np.testing.assert_array_equal(found["blocks.1.attention.in_proj_weight"], want)
    want = np.concatenate([source[f"h.1.attn.{name}.bias"] for name in names])
    np.testing.assert_array_equal(found["blocks.1.attention.in_proj_bias"], want)


def test_cut():
    """GPT-2 has one matrix (in, 3 * out)."""
    source = {f"h.{layer}.attn.c_attn.weight": numbers(4, 12) for layer in range(2)}
    source |= {f"h.{layer}.attn.c_attn.bias": numbers(12) for layer in range(2)}
    network = [each for layer in range(2) for part in "qkv" for each in dense(f"layers.{layer}.attn.{part}", 4, 4)]
    found = made(source, network, "torch")
    np.testing.assert_array_equal(found["layers.1.attn.k.weight"], source["h.1.attn.c_attn.weight"][:, 4:8].T)
    np.testing.assert_array_equal(found["layers.0.attn.v.bias"], source["h.0.attn.c_attn.bias"][8:])


def test_heads_of_keras():
    names = ("query", "key", "value")
    source = {f"attention/{name}/kernel": numbers(6, 2, 3) for name in names}
    source |= {f"attention/{name}/bias": numbers(2, 3) for name in names}
    source |= {"attention/attention_output/kernel": numbers(2, 3, 6), "attention/attention_output/bias": numbers(6)}
    network = [each for part in "qkv" for each in dense(f"attn.{part}", 6, 6)] + dense("attn.out", 6, 6)
    found = made(source, network, "tensorflow")
    x = numbers(5, 6)
    np.testing.assert_allclose(
        (x @ found["attn.k.weight"].T + found["attn.k.bias"]).reshape(5, 2, 3),
        np.einsum("nd,dhs->nhs", x, source["attention/key/kernel"]) + source["attention/key/bias"],
        rtol=1e-5,
    )
    heads = numbers(5, 2, 3)
    np.testing.assert_allclose(
        heads.reshape(5, 6) @ found["attn.out.weight"].T,
        np.einsum("nhs,hsd->nd", heads, source["attention/attention_output/kernel"]),
        rtol=1e-5,
    )


def test_an_incomplete_triple_is_missing():
    source = [tensor("attn.q.weight", 4, 4), tensor("attn.k.weight", 4, 4)]
    network = [parameter("attn.in_proj_weight", 12, 4, layer="MultiheadAttention")]
    assert [pairing.confidence for pairing in propose(source, network, "torch").pairings] == ["missing"]
