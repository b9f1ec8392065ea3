"""Graphs that decode, read or look up: the network begins behind that, and the notes say what it takes."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the extra 'tensorflow' is not installed")

from frontends.agreement import check, operators

from converter import frontends
from converter.frontends.source import Request, Source
from converter.frontends.tensorflow.runtime import quiet_tensorflow

with quiet_tensorflow() as tf:
    v1 = tf.compat.v1

RANDOM = np.random.default_rng(0)


def values(*shape: int) -> np.ndarray:
    return RANDOM.uniform(-1, 1, shape).astype(np.float32)


def table(keys, found, default):
    pairs = tf.lookup.KeyValueTensorInitializer(tf.constant(keys), tf.constant(found))
    return tf.lookup.StaticHashTable(pairs, default)


class Served(tf.Module):
    """What a server is sent: images and words, and the names of classes that it sends back."""

    def __init__(self):
        super().__init__()
        self.kernel = tf.Variable(values(4 * 4 * 3, 3), name="kernel")
        self.vectors = tf.Variable(values(4, 3), name="vectors")
        self.names = table(np.arange(3), ["cat", "dog", "owl"], "none")
        self.words = table(["a", "b", "c"], np.arange(3), 3)
        self.places = table(np.array([7, 8, 9]), np.arange(3), 3)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "files")])
    def images(self, files):
        def decoded(file):
            image = tf.image.convert_image_dtype(tf.io.decode_jpeg(file, channels=3), tf.float32)
            return (tf.image.resize(image, (4, 4)) - 0.5) * 2.0

        images = tf.map_fn(decoded, files, fn_output_signature=tf.TensorSpec([4, 4, 3], tf.float32))
        scores = tf.nn.softmax(tf.reshape(images, [-1, 48]) @ self.kernel)
        return {"scores": scores, "classes": self.names.lookup(tf.argmax(scores, 1))}

    @tf.function(input_signature=[tf.TensorSpec([None, 5], tf.string), tf.TensorSpec([None, 3], tf.float32, "shift")])
    def text(self, words, shift):
        return {"y": tf.reduce_mean(tf.gather(self.vectors, self.words.lookup(words)), 1) + shift}

    @tf.function(input_signature=[tf.TensorSpec([None, 5], tf.int64, "zips")])
    def numbers(self, zips):
        return {"y": tf.gather(self.vectors, self.places.lookup(zips))}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def records(self, records):
        parsed = tf.io.parse_example(records, {"x": tf.io.FixedLenFeature([4], tf.float32)})
        return {"y": parsed["x"] @ self.vectors}


@pytest.fixture(scope="session")
def served(tmp_path_factory):
    module, folder = Served(), tmp_path_factory.mktemp("served")
    signatures = {name: getattr(module, name) for name in ("images", "text", "numbers", "records")}
    tf.saved_model.save(module, str(folder), signatures)
    return folder


def load(path, **options) -> Source:
    return frontends.load(Request(path, options=options))


@pytest.mark.parametrize(
    ("signature", "inputs", "outputs", "note"),
    [
        ("images", {"files_decoded": ("N", 4, 4, 3)}, ["ArgMax:0", "scores"], "decoded images from -1 to 1."),
        ("text", {"shift": ("N", 3), "words_ids": ("N_2", 5)}, ["y"], "takes the ids of words or categories."),
        ("numbers", {"zips_ids": ("N", 5)}, ["y"], "takes the ids of words or categories."),
        ("records", {"records_numbers": ("N", 4)}, ["y"], "takes the numbers that were read."),
    ],
)
def test_a_signature_of_a_server(served, signature, inputs, outputs, note):
    source = load(served, signature=signature)
    assert {end.name: end.shape for end in source.inputs} == inputs
    assert {name for name in inputs if "_" in name} <= {end.value.removesuffix(":0") for end in source.inputs}
    assert [end.name.removeprefix("StatefulPartitionedCall/") for end in source.outputs] == outputs
    assert source.notes[-1].endswith(note)
    check(source)


def test_text_that_is_looked_up_becomes_what_it_is_looked_up_by(served):
    note = "'classes' is text, which MindSpore lacks: 'StatefulPartitionedCall/ArgMax:0', from which it is looked up"
    assert load(served, signature="images").notes[0].startswith(note)


def test_a_frozen_graph_that_decodes_an_image(tmp_path):
    with tf.Graph().as_default() as graph:
        contents = v1.placeholder(tf.string, [], "contents")
        image = tf.cast(tf.io.decode_jpeg(contents, channels=3, name="decoded"), tf.float32)
        image = v1.image.resize_bilinear(tf.expand_dims(image, 0), [4, 4])
        tf.matmul(tf.reshape((image - 128.0) / 128.0, [-1, 48]), values(48, 2), name="scores")
    (tmp_path / "net.pb").write_bytes(graph.as_graph_def().SerializeToString())
    source = load(tmp_path / "net.pb")
    assert [(end.name, end.dtype.name) for end in source.inputs] == [("decoded:0", "uint8")]
    assert operators(source)["Resize"] == 1
    assert source.notes == (
        "The network begins behind DecodeJpeg, at 'decoded:0': it takes decoded images from 0 to 255.",
    )
    check(source, 6)
