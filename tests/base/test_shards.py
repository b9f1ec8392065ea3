"""Shards: which files a checkpoint in several files has."""

from __future__ import annotations

import json

import pytest

from converter.base import shards

FILES = {"a": "net-00001-of-00002.safetensors", "b": "net-00002-of-00002.safetensors"}


def test_the_files_of_a_checkpoint(tmp_path):
    index = tmp_path / shards.INDEX
    index.write_text(shards.index_text(FILES, 8), encoding="utf-8")
    assert json.loads(index.read_text())["metadata"] == {"total_size": 8}
    assert shards.files_of(index) == [tmp_path / file for file in FILES.values()]
    assert shards.files_of(tmp_path / "net.ckpt") == [tmp_path / "net.ckpt"]


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"weight_map": {}}', '{"weight_map": {"a": "../b"}}', '{"weight_map": 1}']
)
def test_no_index(tmp_path, text):
    (tmp_path / "index.json").write_text(text)
    with pytest.raises(ValueError, match=r"."):
        shards.files_in(tmp_path / "index.json")


def test_what_an_earlier_conversion_left(tmp_path):
    assert shards.left_by(tmp_path, "net") == []
    (tmp_path / shards.NAME_MAP).write_text(shards.name_map_text(FILES))
    assert shards.left_by(tmp_path, "net") == [*FILES.values(), shards.NAME_MAP, shards.INDEX]
    assert shards.left_by(tmp_path, "ne") == []


@pytest.mark.parametrize("text", ["[]", "{", '{"a": 1}', '{"a": "/etc/passwd"}'])
def test_a_strange_map_is_not_ours(tmp_path, text):
    (tmp_path / shards.NAME_MAP).write_text(text)
    assert shards.left_by(tmp_path, "net") == []
