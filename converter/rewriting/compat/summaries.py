"""torch.utils.tensorboard: summaries, which MindSpore writes."""

import os

import mindspore as ms
import numpy as np
from mindspore import Tensor


class SummaryWriter:
    """torch.utils.tensorboard.SummaryWriter by mindspore.SummaryRecord, which knows scalars, histograms and images; of
    all else, such as texts and graphs, nothing is written. A process can have one record only: what a second writer
    writes stands there, too, with its folder before each name.
    """

    record, writers = None, 0

    def __init__(
        self, log_dir=None, comment="", purge_step=None, max_queue=10, flush_secs=120, filename_suffix=""
    ):  # fmt: skip
        self.log_dir = str(log_dir or os.path.join("runs", f"current{comment}"))
        self.steps, self.before = {}, f"{self.log_dir}/" if SummaryWriter.writers else ""
        SummaryWriter.writers += 1

    def write(self, kind, tag, value, step):
        """Write one value; one without a step counts on."""
        step = self.steps.get(tag, 0) if step is None else int(step)
        self.steps[tag] = step + 1
        value = value.asnumpy() if isinstance(value, Tensor) else np.asarray(value)
        if SummaryWriter.record is None:
            SummaryWriter.record = ms.SummaryRecord(self.log_dir)
        self.record.add_value(kind, f"{self.before}{tag}", Tensor(value.astype(np.float32)))
        self.record.record(step)

    def add_scalar(self, tag, scalar_value, global_step=None, walltime=None, **options):
        self.write("scalar", tag, scalar_value, global_step)

    def add_scalars(self, main_tag, tag_scalar_dict, global_step=None, walltime=None):
        for tag, value in tag_scalar_dict.items():
            self.write("scalar", f"{main_tag}/{tag}", value, global_step)

    def add_histogram(self, tag, values, global_step=None, bins=None, walltime=None, max_bins=None):
        self.write("histogram", tag, values, global_step)

    def add_image(self, tag, img_tensor, global_step=None, walltime=None, dataformats="CHW"):
        self.add_images(tag, img_tensor[None], global_step, dataformats=f"N{dataformats}")

    def add_images(self, tag, img_tensor, global_step=None, walltime=None, dataformats="NCHW"):
        value = img_tensor.asnumpy() if isinstance(img_tensor, Tensor) else np.asarray(img_tensor)
        value = value if "C" in dataformats else value[..., None]
        self.write("image", tag, np.moveaxis(value, -1, 1) if dataformats[1] == "H" else value, global_step)

    def nothing(self, *args, **kwargs):
        """What has no counterpart."""

    add_text = add_graph = add_hparams = add_figure = add_embedding = add_pr_curve = add_video = add_audio = nothing

    def flush(self):
        if self.record is not None:
            self.record.flush()

    def close(self):
        SummaryWriter.writers -= 1
        if SummaryWriter.writers <= 0 and self.record is not None:
            self.record.close()
            SummaryWriter.record, SummaryWriter.writers = None, 0

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()
