"""Makes test/fixtures/golden-PRESET.safetensors: narrowed presets of the family, run and trained by PyTorch in float64.

    python3 scripts/golden_family.py [FOLDER]

needs what golden.py needs, and draws inputs and weights as it does, from the same hash u(i, salt): parameter p in the order of the
layers (weight before bias) has salt p and elements round32(u * limit), with limit 0.1 for biases and sqrt(6 / fan_in) /
divisor for weights. The divisors, one a layer, are chosen here so that what a layer computes has a standard deviation of about
TARGET (a normalised layer NORMED, so that its normalisation is seen; logits 1), and stand in the metadata. Images of step s
are PIXELS[...] * u(i, 100 + s); label n is (3 * n + s) mod 10.

The networks, multipliers and optimizers are written down here once more, from the sources and not from the TypeScript.

A file has 'logits' of the initial network on the batch of step 0 and for each parameter a sketch of its gradient,
'gradient:NAME', and of the parameter after ten steps, NAME. The sketch of at most BUCKETS numbers is the numbers; of more, number i is
added to bucket i mod BUCKETS with the sign of u(i, 77): the squared length of a difference of sketches is, on average over signs, that of the
difference itself. The metadata have 'losses' (before each step), 'divisors', 'norms' and 'finalNorms' (lengths of gradients and
parameters), 'changes' (lengths of what ten steps changed), 'learningRate' and 'weightDecay'.
"""

import json
import math
import sys
from pathlib import Path

import torch
import torch.nn.functional as F

from golden import tensor, uniform, write_safetensors

BATCH, STEPS, CLASSES, BUCKETS = 4, 10, 10, 128
TARGET, NORMED, PIXELS = 1.0, 20.0, 32.0
PAPER = {"size": 5, "alpha": 1e-4, "k": 2, "per": "element", "towers": 2}
SOURCE = {**PAPER, "per": "window"}
CAFFE = {"size": 5, "alpha": 1e-4, "k": 1, "per": "window", "towers": 1}


def even(count):
    return 2 * math.ceil(count / 2 - 1e-9)


def lrn(x, size, alpha, k, per, towers):
    # torch divides alpha by the size
    parts = [F.local_response_norm(part, size, alpha * (size if per == "element" else 1), 0.75, k) for part in x.chunk(towers, 1)]
    return torch.cat(parts, 1)


def within(x, size, alpha):
    # count_include_pad: the divisor is size * size everywhere
    return x * (1 + alpha * F.avg_pool2d(x * x, size, 1, size // 2)) ** -0.75


class Net:
    """One run of a network. With `draw` the parameters are made on the way, else they are given."""

    def __init__(self, parameters=None):
        self.draw = parameters is None
        self.parameters = {} if self.draw else parameters
        self.divisors = {}

    def layer(self, name, shape, bias, apply, target=TARGET):
        """apply(weight, bias) -> what the layer computes"""
        if self.draw:
            salt = 2 * len(self.divisors)
            fan_in = math.prod(shape[-3:] if len(shape) == 6 else shape[1:])
            values = uniform(shape, salt) * math.sqrt(6 / fan_in)
            drawn = tensor(uniform(bias, salt + 1) * 0.1)
            self.divisors[name] = 2.0 ** round(math.log2(apply(tensor(values), drawn).std().item() / target))
            self.parameters[f"{name}.weight"] = tensor(values / self.divisors[name])
            self.parameters[f"{name}.bias"] = drawn
        return apply(self.parameters[f"{name}.weight"], self.parameters[f"{name}.bias"])

    def conv(self, name, x, filters, kernel, target=TARGET, groups=1, **options):
        shape = (filters, x.shape[1] // groups, kernel, kernel)
        return self.layer(name, shape, (filters,), lambda w, b: F.conv2d(x, w, b, groups=groups, **options), target)

    def fc(self, name, x, units):
        x = x.flatten(1)
        return self.layer(name, (units, x.shape[1]), (units,), lambda w, b: F.linear(x, w, b))

    def local(self, name, x, filters, kernel, padding):
        n, channels, height, width = x.shape
        columns = F.unfold(x, kernel, padding=padding)

        def apply(w, b):
            y = torch.einsum("nkl,olk->nol", columns, w.reshape(filters, height * width, -1))
            return y.reshape(n, filters, height, width) + b

        return self.layer(name, (filters, height, width, channels, kernel, kernel), (filters, height, width), apply)


def pool(x):
    return F.max_pool2d(x, 3, 2, ceil_mode=True)


def average(x):
    return F.avg_pool2d(x, 3, 2, ceil_mode=True)


def alexnet(norm, groups, first, second, last=lambda x: pool(F.relu(x)), width=1 / 12, padding=0):
    """first and second: from what conv1 and conv2 compute to what the next layer reads."""

    def forward(net, x):
        f = lambda count: even(count * width)
        x = F.pad(x, (0, padding, 0, padding))
        x = first(net.conv("conv1", x, f(96), 11, NORMED, stride=4), norm)
        x = second(net.conv("conv2", x, f(256), 5, NORMED, groups, padding=2), norm)
        x = F.relu(net.conv("conv3", x, f(384), 3, padding=1))
        x = F.relu(net.conv("conv4", x, f(384), 3, groups=groups, padding=1))
        x = last(net.conv("conv5", x, f(256), 3, groups=groups, padding=1))
        x = F.relu(net.fc("fc6", x, f(4096)))
        x = F.relu(net.fc("fc7", x, f(4096)))
        return net.fc("fc8", x, CLASSES)

    return forward


norm_pool = lambda x, norm: pool(lrn(F.relu(x), **norm))
pool_norm = lambda x, norm: lrn(pool(F.relu(x)), **norm)


def owt(net, x):
    f = lambda count: even(count / 12)
    floor = lambda x: F.max_pool2d(F.relu(x), 3, 2)
    x = floor(net.conv("conv1", x, f(64), 11, stride=4, padding=2))
    x = floor(net.conv("conv2", x, f(192), 5, padding=2))
    x = F.relu(net.conv("conv3", x, f(384), 3, padding=1))
    x = F.relu(net.conv("conv4", x, f(256), 3, padding=1))
    x = F.adaptive_avg_pool2d(floor(net.conv("conv5", x, f(256), 3, padding=1)), 6)
    x = F.relu(net.fc("fc6", x, f(4096)))
    x = F.relu(net.fc("fc7", x, f(4096)))
    return net.fc("fc8", x, CLASSES)


def three_convolutions(norm, names, hidden_relu):
    def forward(net, x):
        x = norm(F.relu(pool(net.conv("conv1", x, 8, 5, NORMED, padding=2))))
        x = norm(average(F.relu(net.conv("conv2", x, 8, 5, NORMED, padding=2))))
        x = average(F.relu(net.conv("conv3", x, 16, 5, padding=2)))
        for name in names[:-1]:
            x = net.fc(name, x, 16)
            x = F.relu(x) if hidden_relu else x
        return net.fc(names[-1], x, CLASSES)

    return forward


def with_local_layers(norm, local3):
    def forward(net, x):
        x = norm(pool(F.relu(net.conv("conv1", x, 16, 5, NORMED, padding=2))))
        x = pool(norm(F.relu(net.conv("conv2", x, 16, 5, NORMED, padding=2))))
        x = F.relu(net.local("local3", x, local3, 3, 1))
        x = F.relu(net.local("local4", x, 8, 3, 1))
        return net.fc("fc10", x, CLASSES)

    return forward


def mnist(net, x):
    for number, filters in ((1, 8), (2, 16), (3, 32)):
        x = F.max_pool2d(F.relu(net.conv(f"conv{number}", x, filters, 3, NORMED, padding=1)), 2, 2, ceil_mode=True)
        x = lrn(x, 9, 0.001, 1, "window", 1)
    x = F.relu(net.fc("fc1", x, 128))
    x = F.relu(net.fc("fc2", x, 128))
    return net.fc("out", x, CLASSES)


# Multipliers by name: (learning rate, weight decay) of weights and of biases where they are not 1.
BIAS_DOES_NOT_DECAY = lambda name: (1, 0) if name.endswith("bias") else (1, 1)
BIAS_TWICE = lambda name: (2, 0) if name.endswith("bias") else (1, 1)
EVEN = lambda name: (1, 1)
QUICK = lambda name: (2, 1) if name.endswith("bias") else (1, 1)
FULL = lambda name: {"conv3.bias": (1, 1), "ip1.weight": (1, 250), "ip1.bias": (2, 0)}.get(name, QUICK(name))


def convnet(**decays):
    """cuda-convnet: biases at twice the rate and without decay; decay of weights relative to 0.004."""
    return lambda name: (2, 0) if name.endswith("bias") else (1, decays.get(name.split(".")[0], 1))


same = lambda x: x
size3 = lambda x: within(x, 3, 5e-5)
size9 = lambda x: lrn(x, 9, 0.001, 1, "window", 1)
IMAGENET = {"shape": (3, 71, 71), "rate": 2**-11, "decay": 0.1}
CIFAR = {"shape": (3, 32, 32), "rate": 2**-10, "decay": 0.1}
CROPPED = {**CIFAR, "shape": (3, 24, 24)}

PRESETS = {
    "alexnet": {**IMAGENET, "rate": 2**-12, "net": alexnet(PAPER, 2, norm_pool, norm_pool), "rule": "paper", "multipliers": BIAS_DOES_NOT_DECAY},
    "alexnet-2012": {
        **IMAGENET,
        "rate": 2**-12,
        "shape": (3, 68, 68),
        "net": alexnet(
            SOURCE,
            2,
            lambda x, norm: F.relu(pool(lrn(x, **norm))),
            lambda x, norm: pool(within(lrn(F.relu(x), **norm), 5, 0.001)),
            lambda x: F.relu(pool(x)),
            padding=3,
        ),
        "rule": "paper",
        "multipliers": BIAS_TWICE,
    },
    "caffenet": {**IMAGENET, "rate": 2**-15, "net": alexnet(CAFFE, 2, pool_norm, pool_norm), "rule": "caffe", "multipliers": BIAS_TWICE},
    "alexnet-one-tower": {**IMAGENET, "net": alexnet(CAFFE, 1, pool_norm, pool_norm), "rule": "caffe", "multipliers": BIAS_TWICE},
    "alexnet-single": {
        **IMAGENET,
        "net": alexnet({**PAPER, "towers": 1}, 1, norm_pool, norm_pool),
        "rule": "paper",
        "multipliers": BIAS_DOES_NOT_DECAY,
    },
    "alexnet-owt": {**IMAGENET, "shape": (3, 95, 95), "net": owt, "rule": "torch", "multipliers": EVEN},
    "mnist-tf": {"shape": (1, 28, 28), "rate": 2**-10, "decay": 0, "net": mnist, "rule": "adam", "multipliers": EVEN},
    "cifar10-80sec": {
        **CIFAR,
        "net": three_convolutions(same, ("fc64", "fc10"), True),
        "rule": "paper",
        "multipliers": convnet(fc64=7.5, fc10=7.5),
    },
    "cifar10-quick": {**CIFAR, "net": three_convolutions(same, ("ip1", "ip2"), False), "rule": "caffe", "multipliers": QUICK},
    "cifar10-18pct": {
        **CIFAR,
        "decay": 0.004,
        "net": three_convolutions(size3, ("fc10",), False),
        "rule": "paper",
        "multipliers": convnet(fc10=250),
    },
    "cifar10-full": {**CIFAR, "decay": 0.004, "net": three_convolutions(size3, ("ip1",), False), "rule": "caffe", "multipliers": FULL},
    "cifar10-13pct": {**CROPPED, "net": with_local_layers(same, 8), "rule": "paper", "multipliers": convnet(conv1=0, conv2=0)},
    "cifar10-11pct": {
        **CROPPED,
        "net": with_local_layers(size9, 16),
        "rule": "paper",
        "multipliers": convnet(conv1=0, conv2=0, fc10=2.5),
    },
}


def batch(shape, step):
    images = tensor(uniform((BATCH, *shape), 100 + step) * PIXELS)
    return images, torch.tensor([(3 * n + step) % CLASSES for n in range(BATCH)])


def loss_and_gradients(preset, parameters, step, dtype):
    leaves = {name: value.clone().requires_grad_() for name, value in parameters.items()}
    images, labels = batch(preset["shape"], step)
    logits = preset["net"](Net(leaves), images.to(dtype))
    loss = F.cross_entropy(logits, labels)
    loss.backward()
    return logits.detach(), loss.item(), {name: leaf.grad for name, leaf in leaves.items()}


def train(preset, parameters, dtype=torch.float64):
    """Parameters after STEPS steps, and the losses before each; in every rule the decay is added to g."""
    w = {name: value.to(dtype) for name, value in parameters.items()}
    v = {name: torch.zeros_like(value) for name, value in w.items()}
    second = {name: torch.zeros_like(value) for name, value in w.items()}
    losses = []
    for step in range(STEPS):
        _, loss, gradients = loss_and_gradients(preset, w, step, dtype)
        losses.append(loss)
        for name in w:
            rate_multiplier, decay_multiplier = preset["multipliers"](name)
            rate = preset["rate"] * rate_multiplier
            g = gradients[name] + preset["decay"] * decay_multiplier * w[name]
            if preset["rule"] == "adam":
                v[name] = 0.9 * v[name] + 0.1 * g
                second[name] = 0.999 * second[name] + 0.001 * g * g
                mean, variance = v[name] / (1 - 0.9 ** (step + 1)), second[name] / (1 - 0.999 ** (step + 1))
                w[name] = w[name] - rate * mean / (variance.sqrt() + 1e-8)
            elif preset["rule"] == "torch":
                v[name] = 0.9 * v[name] + g
                w[name] = w[name] - rate * v[name]
            else:
                v[name] = 0.9 * v[name] - rate * g
                w[name] = w[name] + v[name]
    return w, losses


def sketch(values):
    flat = values.flatten()
    if flat.numel() <= BUCKETS:
        return flat
    signs = torch.from_numpy(uniform((flat.numel(),), 77)).sign()
    signs[signs == 0] = 1
    padded = torch.cat([flat * signs, torch.zeros(-flat.numel() % BUCKETS, dtype=torch.float64)])
    return padded.reshape(-1, BUCKETS).sum(0)


def main():
    torch.use_deterministic_algorithms(True)
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent / "test" / "fixtures")
    for name, preset in PRESETS.items():
        drawing = Net()
        preset["net"](drawing, batch(preset["shape"], 0)[0])
        start = drawing.parameters
        logits, _, gradients = loss_and_gradients(preset, start, 0, torch.float64)
        final, losses = train(preset, start)
        single, _ = train(preset, start, torch.float32)
        length = lambda value: value.norm().item()
        changes = {key: length(final[key] - start[key]) for key in start}
        worst = max(length(single[key].double() - final[key]) / changes[key] for key in start)
        print(f"{name:18} losses {losses[0]:.4f} .. {losses[-1]:.4f}, float32 off by {worst:.1e} of the change at most,"
              f" least change {min(changes[key] / length(start[key]) for key in start):.1e}")
        tensors = {"logits": logits}
        for key in start:
            tensors[f"gradient:{key}"] = sketch(gradients[key])
            tensors[key] = sketch(final[key])
        facts = {
            "losses": losses,
            "divisors": drawing.divisors,
            "norms": {key: length(gradients[key]) for key in start},
            "finalNorms": {key: length(final[key]) for key in start},
            "changes": changes,
            "learningRate": preset["rate"],
            "weightDecay": preset["decay"],
        }
        write_safetensors(folder / f"golden-{name}.safetensors", tensors, {key: json.dumps(fact) for key, fact in facts.items()})


if __name__ == "__main__":
    main()
