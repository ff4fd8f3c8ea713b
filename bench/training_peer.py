"""Images a second of a training step in PyTorch, for scripts/bench-training; the arguments of bench_training and,
before DATA, `nchw` or `nhwc`, the memory layout. Same network, batch, loss, optimizer and number of threads."""
import os
import sys
import time

name, side, batch, threads, steps, layout = sys.argv[1], *map(int, sys.argv[2:6]), sys.argv[6]
data = sys.argv[7] if len(sys.argv) > 7 else None
if data and os.path.isdir(os.path.join(data, "train")):
    data = os.path.join(data, "train")
os.environ["OMP_NUM_THREADS"] = str(threads)

import torch  # noqa: E402
import torchvision  # noqa: E402

WARM_STEPS = 3
torch.set_num_threads(threads)
torch.manual_seed(1)
mean = torch.tensor([124.0, 116.0, 104.0]).reshape(1, 3, 1, 1)
std = torch.tensor([58.0, 57.0, 57.0]).reshape(1, 3, 1, 1)
memory = torch.channels_last if layout == "nhwc" else torch.contiguous_format


def made_up():
    images = torch.randint(0, 256, (4 * batch, 3, side, side), dtype=torch.uint8).contiguous(memory_format=memory)
    labels = torch.arange(4 * batch) % 10
    while True:
        for first in range(0, 4 * batch, batch):
            yield images[first:first + batch], labels[first:first + batch]


def from_files():
    transforms = torchvision.transforms
    images = torchvision.datasets.ImageFolder(data, transforms.Compose([
        transforms.RandomResizedCrop(side, scale=(0.5, 1)), transforms.RandomHorizontalFlip(),
        transforms.ColorJitter(0.25, 0.25, 0.25, 0.02), transforms.PILToTensor()]))
    loader = torch.utils.data.DataLoader(images, batch, shuffle=True, num_workers=threads, drop_last=True)
    while True:
        yield from loader


classes = 10
if data:
    classes = len(torchvision.datasets.ImageFolder(data).classes)
model = getattr(torchvision.models, name)(num_classes=classes).to(memory_format=memory)
model.train()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=2e-4, foreach=True)
loss_of = torch.nn.CrossEntropyLoss(label_smoothing=0.1)
batches = from_files() if data else made_up()
seconds = []
last = time.perf_counter()
for step in range(steps + WARM_STEPS):
    pixels, labels = next(batches)
    x = ((pixels.to(torch.float32) - mean) / std).contiguous(memory_format=memory)
    optimizer.zero_grad(set_to_none=True)
    loss = loss_of(model(x), labels)
    loss.backward()
    optimizer.step()
    loss.item()
    now = time.perf_counter()
    if step >= WARM_STEPS:
        seconds.append(now - last)
    last = now
seconds.sort()
print(f"{batch / seconds[0]:.2f} {batch / seconds[len(seconds) // 2]:.2f}")
os._exit(0)  # the loader's workers need not be waited for
