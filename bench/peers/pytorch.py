"""PyTorch's side of `tandem bench --peers`.

Speaks JSON lines: one command on stdin, one answer on stdout. The network comes as the engine's own graph (ops,
attributes, value ids) and its weights as safetensors, so that nothing but the arithmetic is PyTorch's.

  {"command": "load", "graph", "weights", "inputs", "optimizer", "threads", "device"} -> {"threads"}
  {"command": "run", "mode": "forward" | "backward" | "step", "input": i}             -> {"ms"}
  {"command": "logits", "input": i}                                                   -> {"logits"}
  {"command": "device", "mode"}                                                       -> {"ms"}
  {"command": "flight", "mode", "count"}                                              -> {"ms"}
  {"command": "memory"}                                                               -> {"peakRssBytes"}

On 'cuda' a run copies its images there and its results back, as everybody's runs do. 'device' is the time that a run with inputs
already there takes by the GPU's clock; 'flight' submits runs one behind the other and waits for the last.

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
        self.device = torch.device(request['device'])
        # float32 means float32: no TF32 inside products. The fastest algorithm of each convolution is looked for.
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.benchmark = True
        self.graph = request['graph']
        weights = read_safetensors(request['weights'])
        self.parameters = {}
        groups = {}
        optimizer = request['optimizer']
        for entry in self.graph['variables']:
            tensor = weights[entry['name']].to(self.device).requires_grad_()
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
        inputs = [
            (torch.frombuffer(bytearray(open(entry['images'], 'rb').read()), dtype=torch.float32).reshape(shape),
             torch.tensor(entry['labels']))
            for entry in request['inputs']
        ]
        self.on_gpu = self.device.type == 'cuda'
        self.inputs = [tuple(t.pin_memory() for t in pair) for pair in inputs] if self.on_gpu else inputs

    def there(self, index):
        """Images and labels on the device: copied, where that is not the host."""
        return tuple(tensor.to(self.device, non_blocking=True) for tensor in self.inputs[index])

    def finish(self):
        if self.on_gpu:
            torch.cuda.synchronize()

    def evaluate(self, inputs, training):
        """Values by id; without training no dropout and no loss."""
        images, labels = inputs
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

    def forward(self, inputs):
        with torch.inference_mode():
            logits = self.evaluate(inputs, False)[self.graph['logits']]
            return logits, torch.softmax(logits, 1)

    def step(self, inputs):
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.evaluate(inputs, True)[self.graph['loss']]
        loss.backward()
        self.optimizer.step()
        return loss

    def run(self, mode, index):
        """Milliseconds of one run; of 'backward' the forward part is not counted."""
        if mode == 'backward':
            self.optimizer.zero_grad(set_to_none=True)
            loss = self.evaluate(self.there(index), True)[self.graph['loss']]
            self.finish()
            start = time.perf_counter()
            loss.backward()
            self.finish()
            return (time.perf_counter() - start) * 1000
        start = time.perf_counter()
        if mode == 'forward':
            for result in self.forward(self.there(index)):
                result.cpu()
        else:
            self.step(self.there(index)).item()
        return (time.perf_counter() - start) * 1000

    def submit(self, mode, inputs):
        return self.forward(inputs) if mode == 'forward' else self.step(inputs)

    def device_time(self, mode, repeats=10):
        """Median milliseconds between two marks of the GPU's clock around a run."""
        inputs = self.there(0)
        times = []
        for _ in range(repeats):
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            self.finish()
            start.record()
            self.submit(mode, inputs)
            end.record()
            self.finish()
            times.append(start.elapsed_time(end))
        return sorted(times)[repeats // 2]

    def flight(self, mode, count):
        self.finish()
        start = time.perf_counter()
        for i in range(count):
            self.submit(mode, self.there(i % len(self.inputs)))
        self.finish()
        return (time.perf_counter() - start) * 1000 / count


def answer(network, request):
    command = request['command']
    if command == 'run':
        return {'ms': network.run(request['mode'], request['input'])}
    if command == 'logits':
        return {'logits': network.forward(network.there(request['input']))[0].flatten().tolist()}
    if command == 'device':
        return {'ms': network.device_time(request['mode'])}
    if command == 'flight':
        return {'ms': network.flight(request['mode'], request['count'])}
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
    print(json.dumps({'version': torch.__version__, 'cuda': torch.cuda.is_available(), 'ops': [*OPS, 'dropout']}), flush=True)
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
