"""What `mindconverter-weights --help` and `mindconverter-weights COMMAND --help` say."""

DESCRIPTION = "Weights by hand: what a file holds, a checkpoint from newer weights, two checkpoints side by side."

EPILOG = """\
exit status:
  0  done; for compare: the checkpoints are the same
  1  an error, on stderr as: [WeightMatchError] code: 5000000, msg: what happened. Nothing is written
  2  wrong usage of the command
  3  compare: the checkpoints differ

`mindconverter-weights COMMAND --help` has examples.
"""

KINDS = """\
FILE is one of
  .onnx                  an ONNX model (its external data beside it)
  .pb                    a frozen TensorFlow graph
  PREFIX, .index, folder a TensorFlow checkpoint, or a SavedModel's variables
  .keras, .h5            a Keras model, or its weights
  .pt, .pth, .bin        tensors that torch.save wrote; no code of the file is run
  .safetensors, .npz
  .index.json, folder    weights in several files
  .ckpt                  a checkpoint of MindSpore's
"""

LIST = f"""\
{KINDS}
examples:
  mindconverter-weights list resnet50.onnx
  mindconverter-weights list training/model.ckpt-20000
  mindconverter-weights list --json out/resnet50.ckpt
"""

REMAP = f"""\
The weight map that mindconverter wrote beside the script says which tensor each parameter comes from, and through which
steps. Here they are done again on newer weights of the same network.

{KINDS}
--rename names a file with lines of the form: pattern -> replacement. The pattern is a regular expression that must
match a whole name of the source; the replacement is the name in the weight map, where \\1 is the pattern's first group.
The first line that matches counts; a name that none matches stays. # begins a comment.
  # the names of training -> the names in the frozen graph
  (.*)/kernel/ExponentialMovingAverage -> \\1/kernel
  state_dict\\.model\\.(.*) -> \\1

examples:
  mindconverter-weights remap --weight_map out/weight_map_of_net.json --source newer.onnx --output newer.ckpt
  mindconverter-weights remap --weight_map out/weight_map_of_net.json --source training/model.ckpt-20000 \\
      --rename names.txt --output newer.ckpt
  mindconverter-weights remap --weight_map out/weight_map_of_net.json --source net.pth --base out/net.ckpt \\
      --output newer.ckpt
"""

MATCH = f"""\
The network is your own, in MindSpore; the weights are a file of any framework. Both lists are printed, and for every
parameter the tensor that it is made of, how sure that is, and why: certain, likely, ambiguous (several tensors fit and
no name decides) or missing. The checkpoint is written when nothing is ambiguous or missing, with its weight map and the
mapping beside it; `remap` then takes later weights of the same source, and `export` takes yours back.

{KINDS}
--mapping names a file that you edit, a line for each parameter: "parameter" = "tensor | step". It is written if it does
not exist, and read if it does. A tensor with a ? is a guess; take the ? away to confirm it. Without --mapping the
proposal is written to mapping_of_NAME.toml beside the checkpoint, unless something does not fit.

--compare names what makes the source network, in PyTorch, Keras or TensorFlow. The source's weights are put into it,
both run on the same inputs, and the largest and the mean relative error of every output are printed, and the first
layer that differs. Exit status 3 when the outputs differ. Inputs are random, of the shapes that --shape gives, or
--inputs.

examples:
  mindconverter-weights match --source lenet.ckpt --network mynet.nets:LeNet5 --output lenet5.ckpt
  mindconverter-weights match --source net.pth --network "mynet.nets:ResNet(depth=18)" --mapping net.toml \\
      --output net.ckpt
  mindconverter-weights match --source net.pth --network mynet.nets:Net --output net.ckpt \\
      --compare mynet.torch_nets:Net --shape 1,3,32,32
"""

EXPORT = """\
The weight map that mindconverter (or `match`) wrote says through which steps each parameter came from its tensor. Here
they are undone: names, layouts and types are those of the source again. What was split is put together, what was
joined is taken apart. Where the parameters do not determine a tensor, it is named, and nothing is written.

--to torch writes a state dict for load_state_dict, .pth; --to safetensors a .safetensors; --to tensorflow an .npz, or
a checkpoint by names, NEW.index and its data, which tf.train.load_checkpoint and TensorFlow 1's Saver read.
--base names the source's own file. Tensors that the weight map does not name are taken from it, and those that share
their values with a tensor of the map get the new ones.

examples:
  mindconverter-weights export trained.ckpt --weight_map out/weight_map_of_net.json --to torch --output net.pth
  mindconverter-weights export trained.ckpt --weight_map out/weight_map_of_net.json --to safetensors \\
      --base model.safetensors --output model_new.safetensors
"""

COMPARE = """\
Both are checkpoints of MindSpore's, .ckpt or .safetensors. Relative differences are relative to the larger of the two
magnitudes.

exit status: 0 the same, 3 they differ

examples:
  mindconverter-weights compare out/net.ckpt newer.ckpt
  mindconverter-weights compare --json out/net.ckpt out/net.safetensors
"""
