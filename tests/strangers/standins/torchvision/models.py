"""A network under the names of two of torchvision's, small and untrained."""

from torch import nn


class Small(nn.Module):
    def __init__(self, num_classes=1000):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layers = nn.Sequential(nn.ReLU(True), nn.MaxPool2d(4), nn.Conv2d(64, 16, 3),
                                    nn.ReLU(True))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(16, num_classes)

    def forward(self, x):
        return self.fc(self.avgpool(self.layers(self.bn1(self.conv1(x)))).flatten(1))


def resnet18(pretrained=False, weights=None, num_classes=1000, **_):
    return Small(num_classes)


resnet34 = resnet50 = resnet101 = resnet152 = resnet18
