"""Makes the golden files of test/fixtures anew: a narrowed caffe-alexnet, run and trained by PyTorch in float64.

    python3 scripts/golden.py [FOLDER]

needs PyTorch and NumPy (Debian: python3-torch, python3-numpy); two runs give the same files. golden_family.py makes those of the
other presets. The network is that of
caffeAlexnet({ classes: 10, width: 1 / 36, inputSize: 71, dropout: 0 }): every filter count and the units of fc6 and fc7
are multiplied by the width and rounded up to an even number. An input of 71 makes all three poolings round up
(16 -> 8 -> 4 -> 2), and leaves fc6 planes of 2 x 2 to flatten.

Inputs and weights are not stored: both sides draw them from a hash of the element's index i and a number called salt,

    u(i, salt) = floor(mix(i * 0x9E3779B1 + salt * 0x85EBCA77) / 256) * 2^-23 - 1        in [-1, 1), exact in float32

with mix the finalizer of MurmurHash3 on 32 bits. Parameter p (0 = conv1.weight, 1 = conv1.bias, ... 15 = fc8.bias) has
salt p and elements round32(u * limit): limit is 0.1 for biases and sqrt(6 / fan_in) for weights, which keeps the size of
activations from layer to layer, divided by WEIGHT_DIVISORS: pixels of +-128, with which the two LRN divide by about 1.5
and their alpha is seen, are too large for the layers above and would saturate the softmax. The images of step s have
salt 100 + s and elements 128 * u; label n of step s is (3 * n + s) mod 10. Weight decay is 0.2, not Caffe's 0.0005,
so that ten steps without it, or with it on biases, are seen.

golden-gradients.safetensors: 'logits' of the initial network on the batch of step 0, 'gradient:NAME' of the loss with respect
to each parameter and 'gradient:images:sum', the gradient with respect to the images summed over each 71 x 71 plane;
the metadata have 'loss'.
golden-training.safetensors: each parameter after ten SGD steps by Caffe's rule; the metadata have 'losses' (before each
step) and the settings of the optimizer.
"""

import json
import math
import struct
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

CLASSES, INPUT_SIZE, WIDTH, BATCH, STEPS = 10, 71, 1 / 36, 4, 10
LEARNING_RATE, MOMENTUM, WEIGHT_DECAY = 0.003, 0.9, 0.2
WEIGHT_DIVISORS = {"conv3": 8, "conv4": 2, "conv5": 2, "fc8": 4}


def scaled(count):
    return 2 * math.ceil(count * WIDTH / 2 - 1e-9)


C1, C2, C3, C4, C5, FC = (scaled(count) for count in (96, 256, 384, 384, 256, 4096))
LAYERS = [
    ("conv1", (C1, 3, 11, 11)),
    ("conv2", (C2, C1 // 2, 5, 5)),
    ("conv3", (C3, C2, 3, 3)),
    ("conv4", (C4, C3 // 2, 3, 3)),
    ("conv5", (C5, C4 // 2, 3, 3)),
    ("fc6", (FC, C5 * 2 * 2)),
    ("fc7", (FC, FC)),
    ("fc8", (CLASSES, FC)),
]


def uniform(shape, salt):
    """u(i, salt) for every element of a tensor, row-major."""
    h = np.arange(math.prod(shape), dtype=np.uint32) * np.uint32(0x9E3779B1)
    h += np.uint32(salt * 0x85EBCA77 % 2**32)
    h ^= h >> np.uint32(16)
    h *= np.uint32(0x85EBCA6B)
    h ^= h >> np.uint32(13)
    h *= np.uint32(0xC2B2AE35)
    h ^= h >> np.uint32(16)
    return ((h >> np.uint32(8)).astype(np.float64) * 2.0**-23 - 1).reshape(shape)


def tensor(values):
    return torch.from_numpy(values.astype(np.float32).astype(np.float64))


def initial_parameters():
    parameters = {}
    for layer, (name, shape) in enumerate(LAYERS):
        limit = math.sqrt(6 / math.prod(shape[1:])) / WEIGHT_DIVISORS.get(name, 1)
        parameters[f"{name}.weight"] = tensor(uniform(shape, 2 * layer) * limit)
        parameters[f"{name}.bias"] = tensor(uniform(shape[:1], 2 * layer + 1) * 0.1)
    return parameters


def batch(step):
    images = tensor(uniform((BATCH, 3, INPUT_SIZE, INPUT_SIZE), 100 + step) * 128)
    labels = torch.tensor([(3 * n + step) % CLASSES for n in range(BATCH)])
    return images, labels


def forward(p, x):
    def conv(x, name, **options):
        return F.relu(F.conv2d(x, p[f"{name}.weight"], p[f"{name}.bias"], **options))

    def norm_pool(x):
        # torch divides alpha by the size, as Caffe does
        return F.max_pool2d(F.local_response_norm(x, 5, alpha=1e-4, beta=0.75, k=1.0), 3, 2, ceil_mode=True)

    x = norm_pool(conv(x, "conv1", stride=4))
    x = norm_pool(conv(x, "conv2", padding=2, groups=2))
    x = conv(x, "conv3", padding=1)
    x = conv(x, "conv4", padding=1, groups=2)
    x = conv(x, "conv5", padding=1, groups=2)
    x = F.max_pool2d(x, 3, 2, ceil_mode=True).flatten(1)
    x = F.relu(F.linear(x, p["fc6.weight"], p["fc6.bias"]))
    x = F.relu(F.linear(x, p["fc7.weight"], p["fc7.bias"]))
    return F.linear(x, p["fc8.weight"], p["fc8.bias"])


def loss_and_gradients(parameters, images, labels):
    """The logits, the mean cross-entropy and its gradients by name, that of the images under 'images'."""
    leaves = {name: value.clone().requires_grad_() for name, value in {**parameters, "images": images}.items()}
    logits = forward(leaves, leaves["images"])
    loss = F.cross_entropy(logits, labels)
    loss.backward()
    return logits.detach(), loss.item(), {name: leaf.grad for name, leaf in leaves.items()}


def train(parameters, dtype=torch.float64):
    """The parameters after STEPS steps and the losses before each. Caffe: v = mu v + rate (g + decay w); w = w - v."""
    parameters = {name: value.to(dtype) for name, value in parameters.items()}
    velocity = {name: torch.zeros_like(value) for name, value in parameters.items()}
    losses = []
    for step in range(STEPS):
        images, labels = batch(step)
        _, loss, gradients = loss_and_gradients(parameters, images.to(dtype), labels)
        losses.append(loss)
        for name, w in parameters.items():
            bias = name.endswith(".bias")
            g = gradients[name] + (0 if bias else WEIGHT_DECAY) * w
            velocity[name] = MOMENTUM * velocity[name] + LEARNING_RATE * (2 if bias else 1) * g
            parameters[name] = w - velocity[name]
    return parameters, losses


def write_safetensors(path, tensors, metadata):
    header, data = {"__metadata__": metadata}, b""
    for name, value in tensors.items():
        raw = value.numpy().astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    path.write_bytes(struct.pack("<Q", len(head)) + head + data)
    print(f"{path}: {path.stat().st_size} bytes")


def main():
    torch.use_deterministic_algorithms(True)
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent / "test" / "fixtures")
    parameters = initial_parameters()
    logits, loss, gradients = loss_and_gradients(parameters, *batch(0))
    final, losses = train(parameters)

    # A test in float32 can only follow where no ReLU or maximum is about to flip: the same run in float32 tells.
    for name, value in train(parameters, torch.float32)[0].items():
        moved = (value.double() - final[name]).norm() / (final[name] - parameters[name]).norm()
        print(f"{name:12} change {(final[name] - parameters[name]).norm() / parameters[name].norm():.2e} of itself,"
              f" float32 off by {moved:.2e} of the change, gradient {gradients[name].norm():.3g}")
    print("logits", logits[0].tolist())
    print("losses", losses)

    images_sum = gradients.pop("images").sum((2, 3))
    write_safetensors(
        folder / "golden-gradients.safetensors",
        {"logits": logits, **{f"gradient:{name}": value for name, value in gradients.items()}, "gradient:images:sum": images_sum},
        {"loss": repr(loss)},
    )
    settings = {"learningRate": LEARNING_RATE, "momentum": MOMENTUM, "weightDecay": WEIGHT_DECAY}
    write_safetensors(
        folder / "golden-training.safetensors",
        final,
        {"losses": json.dumps(losses), **{name: json.dumps(value) for name, value in settings.items()}},
    )


if __name__ == "__main__":
    main()
