"""PyTorch's side of `tandem bench --peers`.

Speaks JSON lines: one command on stdin, one answer on stdout. The network comes as the engine's own graph (ops,
attributes, value ids) and its weights as safetensors, so that nothing but the arithmetic is PyTorch's.

  {"command": "load", "graph", "weights", "inputs", "optimizer", "threads"}  -> {"threads"}
  {"command": "run", "mode": "forward" | "backward" | "step", "input": i}             -> {"ms"}
  {"command": "logits", "input": i}                                                   -> {"logits"}
  {"command": "memory"}                                                               -> {"peakRssBytes"}

Every failure is answered with {"error"}.
"""
import ctypes
import json
import resource
import struct
import sys
import time

import torch
import torch.nn.functional as F


def read_safetensors(path):
    """Straight into the tensors: a mapped file, or a copy, would count as memory of the network."""
    tensors = {}
    with open(path, 'rb') as file:
        (length,) = struct.unpack('<Q', file.read(8))
        entries = json.loads(file.read(length))
        for name, entry in entries.items():
            if name == '__metadata__':
                continue
            begin, end = entry['data_offsets']
            tensor = torch.empty(entry['shape'], dtype=torch.float32)
            file.seek(8 + length + begin)
            file.readinto((ctypes.c_char * (end - begin)).from_address(tensor.data_ptr()))
            tensors[name] = tensor
    return tensors


def pad(x, padding, value):
    """Pads unevenly; even padding is left to the op itself."""
    top, left, bottom, right = padding
    if top == bottom and left == right:
        return x, (top, left)
    return F.pad(x, (left, right, top, bottom), value=value), (0, 0)


def conv2d(a, x, w, b=None):
    x, padding = pad(x, a['padding'], 0.0)
    return activated(a, F.conv2d(x, w, b, a['stride'], padding, a['dilation'], a['groups']))


def activated(a, y):
    return F.relu(y) if a['activation'] == 'relu' else y


def lrn(a, x):
    alpha = a['alpha'] * a['size'] if a['alphaPer'] == 'element' else a['alpha']
    towers = x.chunk(a['groups'], 1)
    return torch.cat([F.local_response_norm(tower, a['size'], alpha, a['beta'], a['k']) for tower in towers], 1)


def max_pool(a, x):
    x, padding = pad(x, a['padding'], -float('inf'))
    return F.max_pool2d(x, a['kernel'], a['stride'], padding, ceil_mode=a['rounding'] == 'ceil')


def avg_pool(a, x):
    """Uneven padding would count cells that are not there: it is not taken on."""
    top, left, bottom, right = a['padding']
    if top != bottom or left != right:
        raise NotImplementedError('avgPool with uneven padding')
    return F.avg_pool2d(x, a['kernel'], a['stride'], (top, left), a['rounding'] == 'ceil', a['count'] == 'all')


def dropout(a, x, training):
    y = F.dropout(x, a['probability'], training)
    return y * (1 - a['probability']) if a['scaleAt'] == 'test' else y


OPS = {
    'conv2d': conv2d,
    'linear': lambda a, x, w, b=None: activated(a, F.linear(x, w, b)),
    'relu': lambda a, x: F.relu(x),
    'lrn': lrn,
    'maxPool': max_pool,
    'reshape': lambda a, x: x.reshape(a['shape']),
    'avgPool': avg_pool,
    'adaptiveAvgPool': lambda a, x: F.adaptive_avg_pool2d(x, a['size']),
    'tanh': lambda a, x: a['a'] * torch.tanh(a['b'] * x),
    'sigmoid': lambda a, x: torch.sigmoid(x),
    'softmax': lambda a, x: torch.softmax(x, 1),
    'add': lambda a, x, y: x + y,
    'crossEntropy': lambda a, x, labels: F.cross_entropy(x, labels),
}


class Network:
    def __init__(self, request):
        torch.set_num_threads(request['threads'])
        self.graph = request['graph']
        weights = read_safetensors(request['weights'])
        self.parameters = {}
        groups = {}
        optimizer = request['optimizer']
        for entry in self.graph['variables']:
            tensor = weights[entry['name']].requires_grad_()
            self.parameters[entry['id']] = tensor
            groups.setdefault(entry['decayMultiplier'], []).append(tensor)
        # Learning rate 0, as the engine's own steps here: the same arithmetic, and the weights stay what they are.
        self.optimizer = torch.optim.SGD(
            [
                {'params': tensors, 'weight_decay': optimizer['weightDecay'] * decay}
                for decay, tensors in groups.items()
            ],
            lr=0.0,
            momentum=optimizer['momentum'],
        )
        shape = self.graph['imagesShape']
        self.inputs = [
            (torch.frombuffer(bytearray(open(entry['images'], 'rb').read()), dtype=torch.float32).reshape(shape),
             torch.tensor(entry['labels']))
            for entry in request['inputs']
        ]

    def evaluate(self, index, training):
        """Values by id; without training no dropout and no loss."""
        images, labels = self.inputs[index]
        values = {**self.parameters, self.graph['images']: images, self.graph['labels']: labels}
        for node in self.graph['nodes']:
            name, attributes = node['op'], node['attributes']
            if name == 'crossEntropy' and not training:
                continue
            if name == 'dropout':
                result = dropout(attributes, values[node['inputs'][0]], training)
            else:
                result = OPS[name](attributes, *(values[i] for i in node['inputs']))
            values[node['output']] = result
        return values

    def forward(self, index):
        with torch.inference_mode():
            logits = self.evaluate(index, False)[self.graph['logits']]
            return logits, torch.softmax(logits, 1)

    def run(self, mode, index):
        """Milliseconds of one run; of 'backward' the forward part is not counted."""
        if mode == 'forward':
            start = time.perf_counter()
            self.forward(index)
        else:
            self.optimizer.zero_grad(set_to_none=True)
            start = time.perf_counter()
            loss = self.evaluate(index, True)[self.graph['loss']]
            if mode == 'backward':
                start = time.perf_counter()
            loss.backward()
            if mode == 'step':
                self.optimizer.step()
                loss.item()
        return (time.perf_counter() - start) * 1000


def answer(network, request):
    command = request['command']
    if command == 'run':
        return {'ms': network.run(request['mode'], request['input'])}
    if command == 'logits':
        return {'logits': network.forward(request['input'])[0].flatten().tolist()}
    if command == 'memory':
        # Kilobytes, but bytes on macOS.
        unit = 1 if sys.platform == 'darwin' else 1024
        return {'peakRssBytes': peak_of_this_program() or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit}
    raise ValueError('unknown command ' + command)


def peak_of_this_program():
    """Linux counts the memory of the process that forked us into ru_maxrss; VmHWM starts with our own image."""
    try:
        with open('/proc/self/status') as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith('VmHWM'))
    except (OSError, StopIteration):
        return None


def main():
    network = None
    print(json.dumps({'version': torch.__version__, 'ops': [*OPS, 'dropout']}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request['command'] == 'load':
                network = Network(request)
                reply = {'threads': torch.get_num_threads()}
            else:
                reply = answer(network, request)
        except Exception as error:
            reply = {'error': '%s: %s' % (type(error).__name__, error)}
        print(json.dumps(reply), flush=True)


main()
