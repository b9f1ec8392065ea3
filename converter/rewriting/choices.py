"""Names that scripts compute, `getattr(nn, cfg.act)`: those of each package that the helper module can have."""

from __future__ import annotations

_LAYERS = """
ReLU ReLU6 LeakyReLU PReLU ELU CELU SELU GELU SiLU Mish Sigmoid Tanh Softplus Softsign Softmax LogSoftmax Hardswish
Hardsigmoid Hardtanh LogSigmoid Identity Linear Embedding Dropout Dropout2d GroupNorm LayerNorm ConvTranspose2d
InstanceNorm2d AdaptiveAvgPool2d AdaptiveMaxPool2d LSTM GRU RNN L1Loss MSELoss SmoothL1Loss HuberLoss CrossEntropyLoss
NLLLoss BCELoss BCEWithLogitsLoss KLDivLoss Conv1d Conv2d Conv3d BatchNorm1d BatchNorm2d BatchNorm3d MaxPool1d MaxPool2d
MaxPool3d AvgPool1d AvgPool2d AvgPool3d
"""
_FUNCTIONS = """
relu relu6 leaky_relu elu selu gelu silu mish sigmoid tanh softplus softmax log_softmax hardswish l1_loss mse_loss
smooth_l1_loss cross_entropy binary_cross_entropy binary_cross_entropy_with_logits
"""
_OPTIMIZERS = "SGD Adam AdamW RMSprop Adagrad Adadelta Adamax NAdam RAdam ASGD Rprop"
_SCHEDULERS = """
StepLR MultiStepLR ExponentialLR LambdaLR CosineAnnealingLR CosineAnnealingWarmRestarts LinearLR PolynomialLR OneCycleLR
CyclicLR ReduceLROnPlateau ConstantLR
"""
CHOICES = {
    "torch.nn": _LAYERS.split(),
    "torch.nn.functional": _FUNCTIONS.split(),
    "torch.optim": _OPTIMIZERS.split(),
    "torch.optim.lr_scheduler": _SCHEDULERS.split(),
}
