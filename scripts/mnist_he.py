"""Document 004's network with He's initialisation in PyTorch: what `bench/runs/mnist.ts --he` trains, by another engine.

    python3 scripts/mnist_he.py MNIST --seed 11

prints the accuracy on the 10,000 test images at some of the last steps. One thread, some 20 minutes. Needs Debian's python3-torch.
"""
import argparse
import gzip
import struct
from pathlib import Path

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

HELD_BACK = 5000
BATCH = 64
STEPS = 3124
TESTED = (2500, 2750, 3000, 3124)


def idx(folder, name, header):
    path = next(Path(folder).glob(name + "*"))
    with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
        shape = struct.unpack(f">{header}i", file.read(4 * header))[1:]
        return np.frombuffer(file.read(), np.uint8).reshape(shape)


def images(folder, name):
    return torch.from_numpy(idx(folder, name, 4).astype(np.float32) / 255)[:, None]


def labels(folder, name):
    return torch.from_numpy(idx(folder, name, 2).astype(np.int64))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv2d(a, b, 3, padding=1) for a, b in [(1, 64), (64, 128), (128, 256)]])
        self.linears = nn.ModuleList([nn.Linear(4096, 1024), nn.Linear(1024, 1024), nn.Linear(1024, 10)])
        for layer in [*self.convs, *self.linears]:
            nn.init.normal_(layer.weight, std=(2 / layer.weight[0].numel()) ** 0.5)
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        for conv in self.convs:
            x = F.max_pool2d(F.relu(conv(x)), 2, 2, ceil_mode=True)
            x = F.local_response_norm(x, 9, alpha=0.001, beta=0.75, k=1)
            x = F.dropout(x, 0.2, self.training)
        x = x.flatten(1)
        for linear in self.linears[:-1]:
            x = F.relu(linear(x))
        return self.linears[-1](x)


def accuracy(net, x, y):
    net.eval()
    with torch.no_grad():
        right = sum((net(x[i : i + 500]).argmax(1) == y[i : i + 500]).sum().item() for i in range(0, len(x), 500))
    net.train()
    return 100 * right / len(x)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="folder of MNIST's files")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    torch.set_num_threads(1)
    x, y = (read(options.data, name)[HELD_BACK:] for read, name in [(images, "train-images"), (labels, "train-labels")])
    test = images(options.data, "t10k-images"), labels(options.data, "t10k-labels")
    net = Net()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.001)
    step = 0
    while step < STEPS:
        for batch in torch.randperm(len(x)).split(BATCH)[: len(x) // BATCH]:
            loss = F.cross_entropy(net(x[batch]), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            if step % 100 == 0:
                print(f"step {step} of {STEPS}, loss {loss.item():.4f}", flush=True)
            if step in TESTED:
                print(f"step {step}: {accuracy(net, *test):.2f} % of the test images right", flush=True)
            if step == STEPS:
                break


main()
